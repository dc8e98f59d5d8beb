"""What the kinds of the image group bring into a namespace, by whatever way."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.admission.references import MAX_REFERENCES, References, TooManyReferencesError
from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from tests.unit.pushes import Pushes, digest_of
from tests.unit.reviews import BIG, REGISTRY, SMALL, causes, decide, service
from tests.unit.stores import FakeState, limit, quota

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


def imported(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "app"}, "spec": {"import": True, **spec}}


async def test_import_of_an_internal_repository_is_held_against_the_limit() -> None:
    source = {"kind": "DockerImage", "name": f"{REGISTRY}/team-b/origin"}

    verdict = await decide(service(), "ImageStreamImport", imported(repository={"from": source}))

    assert [violation.message.partition(": ")[2] for violation in verdict.violations] == [
        f"image {BIG} of tag app:{tag}, from DockerImage {REGISTRY}/team-b/origin:{tag}"
        for tag in ("big", "latest")
    ]


@pytest.mark.parametrize("name", ["registry.example.com/team-b/origin", f"{REGISTRY}/team-b/none"])
async def test_import_of_an_unknown_repository_gets_a_warning(name: str) -> None:
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


async def test_one_image_is_named_once_when_the_status_repeats_the_spec() -> None:
    """The Image API computes the status of a new stream before it asks."""
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


def wide(kind: str, count: int) -> dict[str, Any]:
    """A request with so many references, each to another image."""
    sources = [
        {"kind": "ImageStreamImage", "name": f"origin@sha256:{n:064x}", "namespace": "team-b"}
        for n in range(count)
    ]
    if kind == "ImageStream":
        return stream(*(named(f"v{n}", **{"from": each}) for n, each in enumerate(sources)))
    if kind == "status":
        return stream(status={f"v{n}": [f"sha256:{n:064x}"] for n in range(count)})
    return imported(images=[{"from": each, "to": {"name": "v"}} for each in sources])


@pytest.mark.parametrize("kind", ["ImageStream", "status", "ImageStreamImport"])
async def test_a_request_with_too_many_references_is_told_so(kind: str) -> None:
    decided = "ImageStream" if kind == "status" else kind
    few = await decide(service(), decided, wide(kind, MAX_REFERENCES))
    assert few.violations or few.warnings

    with pytest.raises(TooManyReferencesError, match="more than 2000 images or references"):
        await decide(service(), decided, wide(kind, MAX_REFERENCES + 1))


async def test_an_internal_repository_with_too_many_tags_is_not_imported_as_a_whole() -> None:
    pushes = service()
    tags: dict[str, tuple[str, ...]] = {f"v{n}": (SMALL,) for n in range(MAX_REFERENCES + 1)}
    pushes.state.store("team-b", "origin", tags)
    source = {"kind": "DockerImage", "name": f"{REGISTRY}/team-b/origin"}

    with pytest.raises(TooManyReferencesError, match="more than 2000 images or references"):
        await decide(pushes, "ImageStreamImport", imported(repository={"from": source}))


async def test_references_that_stay_are_not_counted() -> None:
    old = wide("ImageStream", MAX_REFERENCES + 1)

    assert (await decide(service(), "ImageStream", old, old)).allowed


async def test_what_nothing_limits_is_not_resolved() -> None:
    pushes = Pushes(NamespaceLimits())

    assert (await decide(pushes, "ImageStream", wide("ImageStream", 3000))).allowed


class Changing(FakeState):
    """Has limits when it is asked for the first time, and none afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = [
            NamespaceLimits(image_size=limit("1Ki"), quotas=(quota(image_tags=0),)),
        ]

    def limits(self, namespace: str) -> NamespaceLimits:
        return self.answers.pop() if self.answers else NamespaceLimits()


async def test_one_decision_rests_on_the_limits_of_one_moment() -> None:
    pushes = Pushes(NamespaceLimits())
    state = Changing()
    state.sizes = {BIG: 4096}
    state.store("team-b", "origin", {"big": (BIG,)})
    references = References(state, [])
    pushes.admission = replace(pushes.admission, state=state, references=references)

    verdict = await decide(pushes, "ImageStream", stream(named("v2", **{"from": FROM_BIG})))

    assert causes(verdict) == ["ImageTooLarge", "QuotaExceeded"]


class Asking(FakeState):
    """Counts the questions that it is asked, and how many are open at once."""

    def __init__(self, limits: NamespaceLimits) -> None:
        super().__init__(limits)
        self.asked = self.open = self.most = 0

    async def image(self, digest: str) -> ImageClaim | None:
        self.asked += 1
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        return None


def asking(**limits: Any) -> tuple[Pushes, Asking]:
    pushes = Pushes(NamespaceLimits(image_size=limit("1Ki"), **limits))
    state = Asking(NamespaceLimits(image_size=limit("1Ki"), **limits))
    pushes.admission = replace(pushes.admission, state=state)
    return pushes, state


async def test_a_wide_request_asks_a_few_questions_at_a_time() -> None:
    pushes, state = asking()

    verdict = await decide(pushes, "ImageStream", wide("ImageStream", 1000))

    assert (state.asked, state.most) == (1000, 8)
    assert len(verdict.violations) + verdict.more == 1000


async def test_nobody_is_asked_for_a_wide_request_without_room() -> None:
    pushes, state = asking(quotas=(quota(image_tags=500),))

    verdict = await decide(pushes, "ImageStream", wide("ImageStream", 1000))

    assert causes(verdict) == ["QuotaExceeded"]
    assert state.asked == 0


async def test_a_wide_request_has_one_deadline_for_all_its_questions() -> None:
    pushes, state = asking()

    async def silent(digest: str) -> ImageClaim | None:
        await asyncio.Event().wait()
        raise AssertionError("never")

    state.image = silent  # type: ignore[method-assign]
    verdict = await decide(pushes, "ImageStream", wide("ImageStream", 100), within=0.2)

    assert set(causes(verdict)) == {"ImageSizeUnknown"}
