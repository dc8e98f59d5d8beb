"""A controller's view of its own writes before the watch shows them."""

from app.cluster.api import Content
from app.cluster.informer import Key
from app.controllers.local_store import LocalStore

KEY = ("team-a", "one")


def content(version: str, value: str) -> Content:
    return {"metadata": {"namespace": "team-a", "name": "one", "resourceVersion": version},
            "value": value}  # fmt: skip


class Seen:
    def __init__(self) -> None:
        self.now = 0.0
        self.changes: list[Key] = []
        self.mirror: LocalStore[str] = LocalStore(
            lambda found: found["value"] or None, self.changes.append, clock=lambda: self.now
        )


def test_own_write_is_not_replaced_by_an_older_object() -> None:
    seen = Seen()
    seen.mirror.wrote(content("10", "ours"))

    seen.mirror.put(KEY, content("9", "before"))
    assert (seen.mirror.get(KEY), seen.changes) == ("ours", [])
    seen.mirror.put(KEY, content("10", "ours"))
    seen.mirror.put(KEY, content("11", "edited"))

    assert (seen.mirror.get(KEY), seen.changes) == ("edited", [KEY, KEY])


def test_restored_cluster_replaces_newer_objects() -> None:
    seen = Seen()
    seen.mirror.wrote(content("10", "ours"))
    seen.now = 60.0

    seen.mirror.put(KEY, content("3", "restored"))

    assert seen.mirror.get(KEY) == "restored"


def test_removed_objects_are_reported() -> None:
    seen = Seen()
    seen.mirror.put(KEY, content("1", "here"))
    seen.mirror.put(KEY, content("2", ""))
    assert seen.mirror.get(KEY) is None, "an object that is none of ours any more"
    seen.mirror.put(KEY, content("3", "here"))

    seen.mirror.retain(set())

    assert list(seen.mirror.keys()) == []
    assert seen.changes == [KEY] * 4
