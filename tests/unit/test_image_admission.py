"""What the kinds of the image group bring into a namespace, by whatever way."""

from typing import Any

import pytest

from app.model.limits import NamespaceLimits
from tests.unit.pushes import Pushes, digest_of
from tests.unit.reviews import BIG, REGISTRY, SMALL, causes, decide, service
from tests.unit.stores import limit, quota

FROM_BIG = {"kind": "ImageStreamTag", "namespace": "team-b", "name": "origin:big"}
FROM_LATEST = {"kind": "ImageStreamTag", "namespace": "team-b", "name": "origin:latest"}


def stream(*tags: dict[str, Any], status: dict[str, list[str]] | None = None) -> dict[str, Any]:
    history = [
        {"tag": tag, "items": [{"image": digest} for digest in digests]}
        for tag, digests in (status or {}).items()
    ]
    return {
        "metadata": {"name": "app"},
        "spec": {"tags": list(tags)},
        "status": {"tags": history},
    }


def named(name: str, **tag: Any) -> dict[str, Any]:
    return {"name": name, **tag}


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
async def test_a_large_image_is_not_tagged_over(
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
async def test_a_reference_is_no_way_round_the_limit(source: dict[str, str], refused: bool) -> None:
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
    ],
)
@pytest.mark.parametrize("kind", ["ImageStream", "ImageStreamTag"])
async def test_a_tag_brings_what_its_source_has_become_once_it_is_followed_again(
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


async def test_a_tag_that_is_followed_again_to_where_it_is_brings_nothing_new() -> None:
    source = {"from": {"kind": "ImageStreamTag", "name": "app:huge"}}
    old = stream(named("same", **source, generation=1))
    new = stream(named("same", **source, generation=2))

    assert (await decide(service(), "ImageStream", new, old)).allowed


def imported(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "app"}, "spec": {"import": True, **spec}}


async def test_the_import_of_a_whole_internal_repository_is_held_against_the_limit() -> None:
    source = {"kind": "DockerImage", "name": f"{REGISTRY}/team-b/origin"}

    verdict = await decide(service(), "ImageStreamImport", imported(repository={"from": source}))

    assert [violation.message.partition(": ")[2] for violation in verdict.violations] == [
        f"image {BIG} of tag app:{tag}, from DockerImage {REGISTRY}/team-b/origin:{tag}"
        for tag in ("big", "latest")
    ]


@pytest.mark.parametrize("name", ["registry.example.com/team-b/origin", f"{REGISTRY}/team-b/none"])
async def test_a_repository_that_nobody_knows_is_warned_about(name: str) -> None:
    repository = {"from": {"kind": "DockerImage", "name": name}}

    verdict = await decide(service(), "ImageStreamImport", imported(repository=repository))

    assert verdict.allowed
    assert f"the size of the images of DockerImage {name} is unknown" in verdict.warnings[0]


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
async def test_an_update_frees_only_what_it_can_take_away(
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


ELSEWHERE = "registry.example.com/library/app"


def imports(*names: str, to: str = "", mode: str = "") -> dict[str, Any]:
    """One item of an import for each pull spec."""
    item = {"to": {"name": to}} if to else {}
    policy = {"importPolicy": {"importMode": mode}} if mode else {}
    sources = [{"kind": "DockerImage", "name": name} for name in names]
    return imported(images=[{"from": source, **item, **policy} for source in sources])


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        pytest.param(imports(f"{ELSEWHERE}:v1"), True, id="a tag from elsewhere"),
        pytest.param(imports(f"{ELSEWHERE}@{BIG}", to="v1"), True, id="a new image"),
        pytest.param(
            imports(f"{ELSEWHERE}@{SMALL}", to="v1"), True,
            id="an image that is there, unless it is a list and one of its images comes",
        ),
        pytest.param(
            imports(f"{ELSEWHERE}@{SMALL}", to="v1", mode="PreserveOriginal"), False,
            id="an image that is there and comes as it is",
        ),
        pytest.param(
            imports(f"{ELSEWHERE}@{BIG}", to="v1", mode="PreserveOriginal"), True,
            id="a new image that comes as it is",
        ),
        pytest.param(
            imports(f"{REGISTRY}/team-b/origin:none", to="v1"), True,
            id="a tag that may be pushed before it is fetched",
        ),
        pytest.param(imports(ELSEWHERE), False, id="no tag and no `to`: nothing is stored"),
        pytest.param(imports(f"{ELSEWHERE}@{BIG}"), False, id="a digest without `to`"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        ({"quotas": (quota(images=1, image_tags=1),)}, "QuotaExceeded"),
        ({"stream_images": limit("1"), "stream_tags": limit("1")}, "StreamLimitExceeded"),
    ],
    ids=["namespace", "stream"],
)
async def test_an_import_needs_room_for_the_image_that_it_may_bring(
    limits: dict[str, Any], cause: str, content: dict[str, Any], refused: bool
) -> None:
    pushes = Pushes(NamespaceLimits(**limits), registry_hosts=[REGISTRY])
    pushes.state.store("team-a", "app", {"v1": (SMALL,)})

    verdict = await decide(pushes, "ImageStreamImport", content)

    assert causes(verdict) == [cause] * refused


@pytest.mark.parametrize(
    ("content", "images", "tags"),
    [
        pytest.param(
            imports(*(f"{ELSEWHERE}:v{number}" for number in range(5))), 5, 5,
            id="five tags may be five images",
        ),
        pytest.param(
            imports(*(f"{ELSEWHERE}@sha256:{number:064}" for number in range(50)), to="all"), 50, 1,
            id="50 images of one tag all go into its history",
        ),
        pytest.param(
            imported(repository={"from": {"kind": "DockerImage", "name": ELSEWHERE}}), 50, 50,
            id="as many of a repository as come at once",
        ),
    ],
)  # fmt: skip
async def test_an_import_holds_as_many_images_as_may_come(
    content: dict[str, Any], images: int, tags: int
) -> None:
    for hard, fits in ((images, True), (images - 1, False)):
        pushes = Pushes(NamespaceLimits(quotas=(quota(images=hard, image_tags=tags),)))
        assert (await decide(pushes, "ImageStreamImport", content)).allowed == fits

    pushes = Pushes(NamespaceLimits(quotas=(quota(images=images, image_tags=tags + 1),)))
    assert (await decide(pushes, "ImageStreamImport", content)).allowed
    another = await decide(pushes, "ImageStreamImport", imports(f"{ELSEWHERE}:new"), uid="another")
    assert not another.allowed


async def test_two_imports_of_one_source_may_bring_two_images() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(images=1),)))
    content = imports(f"{ELSEWHERE}:v1")

    first = await decide(pushes, "ImageStreamImport", content)
    again = await decide(pushes, "ImageStreamImport", content)
    second = await decide(pushes, "ImageStreamImport", content, uid="another")

    assert [first.allowed, again.allowed, second.allowed] == [True, True, False]


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
async def test_a_dry_run_reserves_what_the_image_api_stores_whatever_is_asked(
    kind: str, content: dict[str, Any], reserved: int
) -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(images=1),)))

    assert (await decide(pushes, kind, content, dry_run=True)).allowed
    assert pushes.enforcer.reservations() == reserved


async def test_an_update_claims_only_what_was_not_there() -> None:
    """It is stored only if the stream is still what it was."""
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=9),)))
    old, new = stream(named("a"), named("b")), stream(named("a"))

    assert (await decide(pushes, "ImageStream", new, old)).allowed
    assert pushes.enforcer.reservations() == 0


async def test_an_import_with_room_reserves_its_tag() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(images=1, image_tags=1),)))
    image = {"from": {"kind": "DockerImage", "name": ELSEWHERE}, "to": {"name": "v1"}}

    assert (await decide(pushes, "ImageStreamImport", imported(images=[image]))).allowed
    assert pushes.enforcer.reservations() == 1
