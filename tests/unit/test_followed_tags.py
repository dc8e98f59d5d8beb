"""A tag that follows another namespace's tag: small when admitted, large later."""

from typing import Any

import pytest

from app.admission.review import AdmissionRequest, Outcome
from app.config.settings import Settings
from app.model.image import StoredImage
from app.model.limits import NamespaceLimits
from app.page.refusals import Refusals
from app.policy import followed_tags
from app.policy.choices import FollowedTags
from app.quota.store import MemoryLedgers
from app.wiring import service
from app.wiring.backends import Backend, Observations, Sources
from tests.unit.pushes import digest_of
from tests.unit.stores import DOMAIN, FakeState, limit

SMALL, LARGE = digest_of(b"small"), digest_of(b"large")
FOLLOWING = {"kind": "ImageStreamTag", "name": "base:v1", "namespace": "team-b"}
WARNING = (
    "tag app:v1 follows ImageStreamTag team-b/base:v1 of another namespace, which may point at a "
    "larger image later; LimitRange team-a/limits allows 1Ki"
)


async def no_image(_: str) -> StoredImage | None:
    return None


class World:
    """`team-a`, where images may have 1 KiB, beside `team-b`, whose `base:v1` is small at first."""

    def __init__(self, mode: FollowedTags = "warn", limits: NamespaceLimits | None = None) -> None:
        self.state = FakeState(limits or NamespaceLimits(image_size=limit("1Ki")))
        self.state.sizes = {SMALL: 1000, LARGE: 2048}
        self.state.store("team-b", "base", {"v1": (SMALL,)})
        backend = Backend(
            Sources(self.state, MemoryLedgers()),
            Observations(
                namespaces=tuple,
                refusals=Refusals(DOMAIN),
                refused=lambda *_: None,
                stored_image=no_image,
                broken=lambda: False,
            ),
            jobs=[],
        )
        settings = Settings.model_validate({"followed_tags": mode})
        self._admission = service.build(settings, backend).admission

    def source_becomes_large(self) -> None:
        self.state.store("team-b", "base", {"v1": (LARGE, SMALL)})

    async def asked(
        self, kind: str, name: str, new: dict[str, Any], old: dict[str, Any] | None = None
    ) -> Outcome:
        request = {
            "uid": "1",
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": kind},
            "name": name,
            "namespace": "team-a",
            "operation": "UPDATE" if old else "CREATE",
            "object": {"kind": kind, "metadata": {"name": name}, **new},
        }
        if old:
            request["oldObject"] = {"kind": kind, "metadata": {"name": name}, **old}
        return await self._admission.validate(AdmissionRequest.model_validate(request), 5)

    async def follow(self) -> Outcome:
        return await self.asked("ImageStream", "app", stream())


def stream(*digests: str, source: dict[str, Any] | None = FOLLOWING) -> dict[str, Any]:
    status = [{"tag": "v1", "items": [{"image": digest} for digest in digests]}]
    return {
        "spec": {"tags": [{"name": "v1", "from": source}]},
        "status": {"tags": status if digests else []},
    }


@pytest.mark.parametrize(
    ("mode", "allowed", "warnings"),
    [("allow", True, []), ("warn", True, [WARNING]), ("deny", False, [])],
)
async def test_foreign_reference_follows_the_setting(
    mode: FollowedTags, allowed: bool, warnings: list[str]
) -> None:
    outcome = await World(mode).follow()

    assert (outcome.allowed, outcome.warnings) == (allowed, warnings)
    if not allowed:
        assert outcome.causes == ("FollowsOtherNamespace",)
        assert "; point the tag at an ImageStreamImage, which never changes" in outcome.message


@pytest.mark.parametrize("mode", ["allow", "warn", "deny"])
async def test_foreign_reference_is_in_the_audit_annotations(
    mode: FollowedTags,
) -> None:
    outcome = await World(mode).follow()

    assert outcome.audit["follows"] == "app:v1 -> ImageStreamTag team-b/base:v1"


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        pytest.param("ImageStreamTag", "app:v1", {"tag": {"from": FOLLOWING}}, id="ImageStreamTag"),
        pytest.param("ImageTag", "app:v1", {"spec": {"from": FOLLOWING}}, id="ImageTag"),
        pytest.param(
            "ImageStreamTag",
            "app:v1",
            {"tag": {"from": FOLLOWING, "reference": True}},
            id="a mere pointer, which is never imported",
        ),
        pytest.param(
            "ImageStreamImport",
            "app",
            {"spec": {"import": True, "images": [{"from": FOLLOWING, "to": {"name": "v1"}}]}},
            id="ImageStreamImport",
        ),
    ],
)
async def test_foreign_references_are_reported_for_every_kind(
    kind: str, name: str, content: dict[str, Any]
) -> None:
    outcome = await World().asked(kind, name, content)

    assert outcome.warnings == [WARNING]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"kind": "ImageStreamTag", "name": "app:v0"}, id="its own namespace"),
        pytest.param(
            {"kind": "ImageStreamTag", "name": "app:v0", "namespace": "team-a"},
            id="its own namespace by name",
        ),
        pytest.param(
            {"kind": "ImageStreamImage", "name": f"base@{SMALL}", "namespace": "team-b"},
            id="an image, which never changes",
        ),
    ],
)
async def test_references_by_digest_or_within_the_namespace_are_not_reported(
    source: dict[str, Any],
) -> None:
    outcome = await World("deny").asked("ImageStream", "app", stream(source=source))

    assert outcome.allowed
    assert "follows" not in outcome.audit


async def test_foreign_reference_without_a_size_limit_is_silent() -> None:
    assert (await World("deny", NamespaceLimits()).follow()).audit == {"verdict": "allowed"}


async def test_the_write_that_brings_the_large_image_is_refused() -> None:
    """The Image API writes the image of a followed tag into the stream's status."""
    world = World()
    assert (await world.follow()).allowed
    world.source_becomes_large()

    outcome = await world.asked("ImageStream", "app", stream(LARGE, SMALL), stream(SMALL))

    assert outcome.causes == ("ImageTooLarge",)
    assert "(2Ki > 1Ki)" in outcome.message


async def test_following_a_grown_tag_again_is_refused() -> None:
    """A new generation makes the Image API resolve the tag's source again."""
    world = World()
    world.state.store("team-a", "app", {"v1": (SMALL,)})
    world.source_becomes_large()
    old, new = ({"tag": {"from": FOLLOWING, "generation": number}} for number in (1, 2))

    outcome = await world.asked("ImageStreamTag", "app:v1", new, old)

    assert outcome.causes == ("ImageTooLarge",)


async def test_an_update_of_a_tag_whose_image_is_stored_passes_even_over_the_limit() -> None:
    world = World()
    world.state.store("team-a", "app", {"v1": (LARGE,)})
    world.source_becomes_large()
    tag = {"tag": {"from": FOLLOWING}}

    assert (await world.asked("ImageStreamTag", "app:v1", tag, tag)).allowed


def test_the_audit_log_gets_no_more_than_twenty_tags() -> None:
    follows = {f"app:v{number}": "ImageStreamTag team-b/base:v1" for number in range(1000)}

    verdict = followed_tags.check(follows, limit("1Ki"), namespace="team-a", mode="allow")

    shown = [f"app:v{number} -> ImageStreamTag team-b/base:v1" for number in range(20)]
    assert verdict.notes["follows"] == ", ".join(shown) + " and 980 more"
