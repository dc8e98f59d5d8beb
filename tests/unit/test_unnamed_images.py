"""Requests that name no stream, or no image."""

from typing import Any

import pytest

from app.model.limits import NO_LIMITS, NamespaceLimits
from tests.unit.pushes import Pushes
from tests.unit.reviews import SMALL, decide, service
from tests.unit.stores import quota


@pytest.mark.parametrize(
    ("kind", "content", "problem"),
    [
        (
            "ImageStreamMapping",
            {"dockerImageRepository": "quay.io/a/b", "image": {"metadata": {"name": SMALL}}},
            "metadata.name: the name of the ImageStream is required",
        ),
        (
            "ImageStreamMapping",
            {"metadata": {"name": "app"}, "image": {"dockerImageMetadata": {"Size": 1}}},
            "image.metadata.name: the digest of the image is required",
        ),
        (
            "ImageStreamTag",
            {"metadata": {"name": "app"}, "tag": {}},
            "metadata.name: 'app' is not of the form <stream>:<tag>",
        ),
        (
            "ImageStreamImport",
            {"spec": {"import": True, "images": []}},
            "metadata.name: the name of the ImageStream is required",
        ),
    ],
    ids=["mapping to a repository", "mapping of no image", "tag", "import"],
)
async def test_an_uncountable_request_is_refused_in_a_namespace_with_limits(
    kind: str, content: dict[str, Any], problem: str
) -> None:
    limited = Pushes(NamespaceLimits(quotas=(quota(images=9),)))

    [violation] = (await decide(limited, kind, content)).violations

    assert (violation.reason, violation.message) == ("Incomplete", problem)
    assert (await decide(Pushes(NO_LIMITS), kind, content)).allowed


async def test_an_image_without_a_digest_is_named_by_its_tag() -> None:
    image = {
        "dockerImageMetadata": {"Size": 5},
        "dockerImageLayers": [{"name": "sha256:x", "size": 9, "mediaType": "x/y"}],
    }
    content: dict[str, Any] = {"metadata": {"name": "app"}, "tag": "v2", "image": {}}

    verdict = await decide(service(), "ImageStreamMapping", content)
    untrue = await decide(service(), "ImageStreamMapping", {**content, "image": image})

    assert untrue.violations[1].message.startswith("the image without a name is not believed: ")
    assert [violation.message for violation in verdict.violations] == [
        "image.metadata.name: the digest of the image is required",
        "the size of the image of tag app:v2 is unknown, and LimitRange team-a/limits allows 1Ki "
        "per alauda.io/Image",
    ]
