"""The images and tags that an ImageStreamImport brings into a namespace."""

from typing import Any

import pytest

from app.model.limits import NamespaceLimits
from tests.unit.image_requests import ELSEWHERE, imported, imports
from tests.unit.pushes import Pushes
from tests.unit.reviews import BIG, REGISTRY, SMALL, causes, decide, service
from tests.unit.stores import limit, quota

PULL_SPEC = {"kind": "DockerImage", "name": f"{ELSEWHERE}@{BIG}"}


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


async def test_an_import_with_room_reserves_its_tag() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(images=1, image_tags=1),)))
    image = {"from": {"kind": "DockerImage", "name": ELSEWHERE}, "to": {"name": "v1"}}

    assert (await decide(pushes, "ImageStreamImport", imported(images=[image]))).allowed
    assert pushes.enforcer.reservations() == 1


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        pytest.param("ImageStreamTag", {}, {"tag": {"from": PULL_SPEC}}, id="an ImageStreamTag"),
        pytest.param("ImageTag", {}, {"spec": {"from": PULL_SPEC}}, id="an ImageTag"),
        pytest.param(
            "ImageStream",
            {"spec": {"tags": [{"name": "v1"}]}},
            {"spec": {"tags": [{"name": "v1", "from": PULL_SPEC}]}},
            id="an ImageStream",
        ),
    ],
)
async def test_the_image_of_a_pull_spec_counts_once_when_it_is_imported(
    kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """The tag exists already, so its change is no proof, and the reservation stays."""
    pushes = Pushes(NamespaceLimits(quotas=(quota(images=1, image_tags=1),)))
    pushes.state.store("team-a", "app", {"v1": ()})
    name = {"metadata": {"name": "app" if kind == "ImageStream" else "app:v1"}}

    assert (await decide(pushes, kind, {**name, **after}, {**name, **before})).allowed

    content = imports(PULL_SPEC["name"], to="v1")
    assert (await decide(pushes, "ImageStreamImport", content)).allowed
    assert not (await decide(pushes, "ImageStreamImport", content, uid="another")).allowed
