"""Which images and members the kinds of the image group bring into a namespace."""

from typing import Any

import pytest

from app.model.limits import NamespaceLimits
from tests.unit.image_requests import ELSEWHERE, FROM_BIG, FROM_LATEST, imports, named, stream
from tests.unit.pushes import Pushes, digest_of
from tests.unit.reviews import BIG, REGISTRY, SMALL, causes, decide, service
from tests.unit.stores import limit, quota


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        pytest.param(FROM_BIG, True, id="a tag of another namespace"),
        pytest.param(
            {"kind": "ImageStreamTag", "namespace": "team-b", "name": "big"},
            True,
            id="a tag of the stream of the same name",
        ),
        pytest.param(
            {"kind": "ImageStreamImage", "namespace": "team-b", "name": BIG},
            True,
            id="an image of the stream of the same name",
        ),
        pytest.param(
            {"kind": "ImageStreamImage", "namespace": "team-b", "name": f"origin@{BIG[:20]}"},
            True,
            id="the beginning of a digest",
        ),
        pytest.param(
            {"kind": "DockerImage", "name": f"{REGISTRY.title()}/team-b/origin:big"},
            True,
            id="the internal registry in capitals",
        ),
        pytest.param(
            {"kind": "ImageStreamTag", "namespace": "team-b", "name": "origin:small"},
            False,
            id="a small one",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["ImageStream", "ImageStreamTag", "ImageTag"])
async def test_tag_of_a_large_image_is_refused(
    kind: str, source: dict[str, str], refused: bool
) -> None:
    content = {
        "ImageStream": stream(named("v2", **{"from": source})),
        "ImageStreamTag": {"metadata": {"name": "app:v2"}, "tag": {"from": source}},
        "ImageTag": {"metadata": {"name": "app:v2"}, "spec": {"from": source}},
    }[kind]

    assert causes(await decide(service(), kind, content)) == ["ImageTooLarge"] * refused


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        pytest.param(FROM_BIG, True, id="an image of another stream is stored in this one"),
        pytest.param(
            {"kind": "DockerImage", "name": f"{REGISTRY}/team-b/origin:big"},
            False,
            id="a pull spec is only pointed at",
        ),
    ],
)
async def test_reference_to_a_large_image_is_refused(source: dict[str, str], refused: bool) -> None:
    pushes = service(quotas=(quota(images=3),))
    tag = {"metadata": {"name": "app:v2"}, "tag": {"from": source, "reference": True}}

    assert causes(await decide(pushes, "ImageStreamTag", tag)) == ["ImageTooLarge"] * refused


async def test_an_image_behind_a_reference_is_counted() -> None:
    pushes = service(quotas=(quota(images=2),))
    source = {"kind": "ImageStreamTag", "namespace": "team-b", "name": "origin:other"}
    pushes.state.store("team-b", "origin", {"other": (digest_of(b"other"),)})
    pushes.state.sizes[digest_of(b"other")] = 1
    tag = {"metadata": {"name": "app:v2"}, "tag": {"from": source, "reference": True}}

    assert causes(await decide(pushes, "ImageStreamTag", tag)) == ["QuotaExceeded"]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param({}, {"annotations": {"a": "b"}}, False, id="left as it was"),
        pytest.param({"generation": 2}, {"generation": 2}, False, id="of the same generation"),
        pytest.param({"generation": 2}, {}, False, id="of no generation"),
        pytest.param({"generation": 2}, {"generation": 0}, True, id="to be followed again"),
        pytest.param({"reference": True}, {"reference": False}, True, id="no reference any more"),
        pytest.param(
            {"generation": 2},
            {"generation": 2, "importPolicy": {"importMode": "PreserveOriginal"}},
            True,
            id="of another import mode and the old generation",
        ),
        pytest.param(
            {"importPolicy": {"importMode": "PreserveOriginal"}},
            {},
            True,
            id="of the default import mode again",
        ),
        pytest.param(
            {},
            {"importPolicy": {"importMode": "Legacy", "scheduled": True}},
            False,
            id="of the default import mode by name",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["ImageStream", "ImageStreamTag"])
async def test_followed_tag_brings_the_present_image_of_its_source(
    kind: str, before: dict[str, Any], after: dict[str, Any], refused: bool
) -> None:
    source = {"from": FROM_LATEST}
    old, new = (
        stream(named("v1", **source, **tag))
        if kind == "ImageStream"
        else {"metadata": {"name": "app:v1"}, "tag": {**source, **tag}}
        for tag in (before, after)
    )

    assert causes(await decide(service(), kind, new, old)) == ["ImageTooLarge"] * refused


async def test_following_an_unchanged_source_brings_nothing_new() -> None:
    source = {"from": {"kind": "ImageStreamTag", "name": "app:huge"}}
    old = stream(named("same", **source, generation=1))
    new = stream(named("same", **source, generation=2))

    assert (await decide(service(), "ImageStream", new, old)).allowed


@pytest.mark.parametrize(
    ("sub_resource", "old", "new", "refused"),
    [
        pytest.param(
            "", stream(named("a"), named("b")), stream(named("a"), named("c")), False,
            id="a spec tag is renamed",
        ),
        pytest.param(
            "", stream(status={"a": [SMALL], "b": [SMALL]}), stream(named("c")), True,
            id="an update of the spec frees no status that it leaves out",
        ),
        pytest.param(
            "status", stream(named("a"), named("b")), stream(status={"c": [SMALL]}), True,
            id="an update of the status frees no spec that it leaves out",
        ),
        pytest.param(
            "status", stream(status={"a": [SMALL], "b": [SMALL]}),
            stream(status={"a": [SMALL], "c": [SMALL]}), False,
            id="a status tag makes room for another",
        ),
        pytest.param(
            "status", stream(named("a"), status={"b": [SMALL]}), stream(status={"b": [SMALL]}),
            False, id="a status without a spec adds nothing",
        ),
    ],
)  # fmt: skip
async def test_update_frees_only_removable_members(
    sub_resource: str, old: dict[str, Any], new: dict[str, Any], refused: bool
) -> None:
    pushes = Pushes(NamespaceLimits(stream_tags=limit("2")))
    pushes.state.store("team-a", "app", {"a": (SMALL,), "b": (SMALL,)})

    verdict = await decide(pushes, "ImageStream", new, old, sub_resource)

    assert causes(verdict) == ["StreamLimitExceeded"] * refused


async def test_a_new_stream_with_a_status_is_counted_and_measured_by_it() -> None:
    pushes = service(stream_tags=limit("1"))
    content = stream(status={"a": [BIG], "b": [SMALL]})
    content["metadata"]["name"] = "new"

    assert causes(await decide(pushes, "ImageStream", content)) == [
        "ImageTooLarge",
        "StreamLimitExceeded",
    ]


MAPPING = {"metadata": {"name": "app"}, "image": {"metadata": {"name": BIG}}}


async def test_a_mapping_without_a_tag_becomes_latest() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=1),)))
    pushes.state.store("team-a", "app", {"v1": (SMALL,)})

    assert causes(await decide(pushes, "ImageStreamMapping", MAPPING)) == ["QuotaExceeded"]


async def test_a_mapping_makes_no_stream() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(imagestreams=0),)))

    assert (await decide(pushes, "ImageStreamMapping", MAPPING)).allowed


@pytest.mark.parametrize(
    ("kind", "content", "reserved"),
    [
        pytest.param("ImageStreamMapping", MAPPING, 1, id="a mapping is stored all the same"),
        pytest.param(
            "ImageStreamImport", imports(f"{ELSEWHERE}:v1"), 1, id="and so is an import"
        ),
        pytest.param("ImageStream", stream(named("v1")), 0, id="a stream is not"),
        pytest.param(
            "ImageStreamTag", {"metadata": {"name": "app:v1"}, "tag": {"from": FROM_BIG}}, 0,
            id="nor is a tag",
        ),
    ],
)  # fmt: skip
async def test_a_dry_run_reserves_members_that_the_image_api_stores(
    kind: str, content: dict[str, Any], reserved: int
) -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(images=1),)))

    assert (await decide(pushes, kind, content, dry_run=True)).allowed
    assert pushes.enforcer.reservations() == reserved


async def test_an_update_claims_only_new_members() -> None:
    """The update is stored only if the stream has not changed."""
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=9),)))
    old, new = stream(named("a"), named("b")), stream(named("a"))

    assert (await decide(pushes, "ImageStream", new, old)).allowed
    assert pushes.enforcer.reservations() == 0


async def test_one_image_is_named_once_when_the_status_repeats_the_spec() -> None:
    """The Image API computes the status of a new stream before it calls webhooks."""
    content = stream(named("v2", **{"from": FROM_BIG}), status={"v2": [BIG]})

    verdict = await decide(service(), "ImageStream", content)

    assert [violation.message.partition("): ")[2] for violation in verdict.violations] == [
        f"image {BIG} of tag app:v2, from ImageStreamTag team-b/origin:big"
    ]


async def test_an_image_that_its_stream_does_not_hold_comes_with_advice_that_can_be_followed() -> (
    None
):
    missing = digest_of(b"missing")
    source = {"kind": "ImageStreamImage", "namespace": "team-b", "name": f"origin@{missing}"}

    verdict = await decide(service(), "ImageStream", stream(named("v2", **{"from": source})))

    (violation,) = verdict.violations
    assert violation.reason == "ImageSizeUnknown"
    assert violation.next_step == (
        "name an image that ImageStream team-b/origin holds, or push this one there first"
    )
