"""The usage index counts the stored members after any sequence of updates."""

import re
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.gateway.contents import Contents
from app.gateway.repository_usage import RepositoryUsage
from app.model.stream import CountedStream, ImageStream
from app.quota.digests import pack, unpack
from app.quota.effective import EffectiveUsage
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage, UsageIndex

STREAMS = st.sampled_from(["app", "web", "api"])
TAGS = st.dictionaries(
    st.sampled_from(["v1", "v2", "latest"]),
    st.lists(st.sampled_from(["d1", "d2", "d3", "d4"]), max_size=3, unique=True).map(tuple),
)


@pytest.mark.parametrize("model", [ImageStream, CountedStream])
def test_a_stream_holds_spec_tags_and_status_tags_with_items(
    model: type[ImageStream | CountedStream],
) -> None:
    stream = model.model_validate(
        {
            "spec": {"tags": [{"name": "spec-only"}, {"name": "both"}, {"name": None}]},
            "status": {
                "tags": [
                    {"tag": "both", "items": [{"image": "new"}, {"image": "old"}]},
                    {"tag": "emptied", "items": []},
                    {"tag": "nulled", "items": None},
                    {"tag": None, "items": None},
                    {"tag": "nameless", "items": [{"image": None, "created": None}]},
                ]
            },
        }
    )

    usage = StreamUsage.of(stream)

    assert usage.tags == {"spec-only", "both", "nameless"}
    assert usage.images == {"new", "old"}
    assert usage.latest("both") == "new"
    assert usage.latest("spec-only") is None


@given(st.lists(st.tuples(STREAMS, st.none() | TAGS)))
def test_incremental_counts_equal_a_recount(
    events: list[tuple[str, dict[str, tuple[str, ...]] | None]],
) -> None:
    usage = NamespaceUsage()
    truth: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, tags in events:
        usage.put(name, None if tags is None else StreamUsage(tags))
        truth.pop(name, None)
        if tags is not None:
            truth[name] = tags

    digests = {d for tags in truth.values() for history in tags.values() for d in history}
    assert usage.stream_count == len(truth)
    assert usage.image_count == len(digests)
    assert usage.tag_count == sum(len(tags) for tags in truth.values())
    for name, tags in truth.items():
        own = {d for history in tags.values() for d in history}
        assert usage.images_of(name) == own
        assert {d for d in ("d1", "d2", "d3", "d4") if usage.has_image(name, d)} == own
    for digest in digests:
        held = [tags for tags in truth.values() if any(digest in h for h in tags.values())]
        assert usage.references(digest) == len(held)


def test_an_image_in_two_streams_counts_once_until_both_are_gone() -> None:
    usage = NamespaceUsage()
    usage.put("app", StreamUsage({"v1": ("d1",)}))
    usage.put("web", StreamUsage({"v1": ("d1",)}))
    assert usage.image_count == 1

    usage.put("app", None)
    assert usage.image_count == 1

    usage.put("web", None)
    assert usage.image_count == 0


def test_a_question_about_one_image_unpacks_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = NamespaceUsage()
    usage.put("app", StreamUsage({f"v{number}": (f"d{number}",) for number in range(100)}))
    monkeypatch.setattr("app.quota.usage.unpack", None)

    assert usage.has_image("app", "d5")
    assert not usage.has_image("web", "d5")
    assert EffectiveUsage(usage).assess(Claims("ns", Members(images=frozenset({("app", "d5")}))))


def test_missing_lists_only_members_that_are_not_stored() -> None:
    usage = NamespaceUsage()
    usage.put("app", StreamUsage({"v1": ("d1",)}))
    asked = Members(
        frozenset({"app", "new"}),
        frozenset({("app", "d1"), ("app", "d2"), ("new", "d1")}),
        frozenset({("app", "v1"), ("app", "v2")}),
    )

    assert usage.missing(asked) == Members(
        frozenset({"new"}),
        frozenset({("app", "d2"), ("new", "d1")}),
        frozenset({("app", "v2")}),
    )


def test_unknown_stream_is_empty() -> None:
    usage = NamespaceUsage()

    assert (usage.image_count_of("app"), usage.tag_count_of("app")) == (0, 0)
    assert usage.images_of("app") == frozenset()


def test_empty_namespace_is_dropped() -> None:
    index = UsageIndex()
    index.put("team-a", "app", StreamUsage({"v1": ("d1",)}))
    assert index.holds_images

    index.put("team-a", "app", None)

    assert list(index) == []
    assert not index.holds_images
    assert index["team-a"].stream_count == 0


@given(st.one_of(st.text(), st.binary(min_size=32, max_size=32).map(lambda b: f"sha256:{b.hex()}")))
@example("x" * 31)
@example("x" * 30)
@example("sha256:" + "A" * 64)
@example("sha256:" + "a" * 62 + " a")
@example("sha256:" + "a" * 32 + " " + "a" * 32)
@example("sha256:" + "a" * 66)
@example("\ud800")
def test_any_digest_is_packed_and_unpacked_without_loss(digest: str) -> None:
    packed = pack(digest)

    assert unpack(packed) == digest
    assert (len(packed) == 32) is bool(re.fullmatch("sha256:[0-9a-f]{64}", digest))


def test_streams_that_change_are_remembered_as_they_were() -> None:
    usage = NamespaceUsage()
    first, second = StreamUsage({"v1": ("d1",)}), StreamUsage({"v2": ("d2",)})
    for name in ("changed", "deleted", "same"):
        usage.put(name, first)

    earlier = usage.remember()
    usage.put("changed", second)
    usage.put("changed", StreamUsage({}))
    usage.put("deleted", None)
    usage.put("deleted", second)
    usage.put("new", first)
    usage.put("new", second)

    assert {name: earlier.get(name) for name in ("changed", "deleted", "same", "new")} == {
        "changed": first, "deleted": first, "same": None, "new": None,
    }  # fmt: skip


def test_stream_that_changes_in_place_is_remembered_as_it_was() -> None:
    contents, usage = Contents(), NamespaceUsage()
    contents.point("v1", "d1")
    stream = RepositoryUsage(contents)
    usage.put("app", stream)
    assert stream.image_named("d1") == "d1"

    earlier = usage.remember()
    for digest in ("d2", "d3"):
        contents.point("v1", digest)
        contents.point(digest, digest)
        stream.follow(contents, usage, "app")

    assert stream.image_named("d1") is None
    assert stream.image_named("d3") == "d3"
    before = earlier.get("app")
    assert before is not None
    assert before.without(stream, "app") == Members(images=frozenset({("app", "d1")}))
    assert stream.without(before, "app").tags == {("app", "d2"), ("app", "d3")}


def test_streams_are_remembered_after_the_last_of_a_namespace_is_gone() -> None:
    index, stored = UsageIndex(), StreamUsage({"v1": ("d1",)})
    index.put("ns", "app", stored)
    earlier = index["ns"].remember()

    index.put("ns", "app", None)
    index.put("ns", "app", StreamUsage({}))

    assert earlier.get("app") is stored


def test_long_names_that_users_choose_are_not_kept() -> None:
    usage = NamespaceUsage()
    tracemalloc.start()

    for number in range(50):
        assert not usage.has_image("app", f"{number}".ljust(2**20, "x"))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 2**20
