"""Limits of image sizes, and proofs of declared sizes, with the exact texts."""

from dataclasses import replace
from typing import Any

import pytest

from app.model.image import Image
from app.policy.choices import UnknownSize
from app.policy.image_limits import SizedImage, check_size, check_truth
from app.policy.image_weight import Weight
from app.policy.verdict import Verdict
from tests.unit.stores import DOMAIN, limit

UNKNOWN = "the size of image x is unknown, and LimitRange ns/limits allows 1Ki per alauda.io/Image"
REFUSED = (
    f"{UNKNOWN}; push the image through the registry, or set dockerImageMetadata.Size, "
    "dockerImageLayers or dockerImageManifest in the request"
)
TOO_LARGE = (
    "requested usage of storage exceeds the maximum limit per alauda.io/Image (1025 > 1024): "
    "image x; make the image smaller, or raise max.storage in LimitRange ns/limits"
)


def check(image: SizedImage, unknown_size: UnknownSize, maximum: str | None = "1Ki") -> Verdict:
    return check_size(
        image,
        None if maximum is None else limit(maximum),
        namespace="ns",
        domain=DOMAIN,
        unknown_size=unknown_size,
    )


@pytest.mark.parametrize(
    ("size", "maximum", "refusals"),
    [
        pytest.param(1024, "1Ki", [], id="just allowed"),
        pytest.param(1025, "1Ki", [TOO_LARGE], id="one byte more"),
        pytest.param(1025, None, [], id="not limited"),
    ],
)
def test_known_size_is_held_against_the_limit(
    size: int, maximum: str | None, refusals: list[str]
) -> None:
    verdict = check(SizedImage("image x", Weight(size)), "deny", maximum)

    assert list(map(str, verdict.violations)) == refusals
    assert verdict.warnings == []


@pytest.mark.parametrize(
    ("mode", "from_elsewhere", "refusals", "warnings"),
    [
        pytest.param("deny", False, [REFUSED], [], id="deny"),
        pytest.param("deny", True, [], [UNKNOWN], id="deny, but it will come from elsewhere"),
        pytest.param("warn", False, [], [UNKNOWN], id="warn"),
        pytest.param("allow", False, [], [], id="allow"),
        pytest.param("allow", True, [], [], id="allow what will come from elsewhere"),
    ],
)
def test_unknown_size_follows_the_setting(
    mode: UnknownSize, from_elsewhere: bool, refusals: list[str], warnings: list[str]
) -> None:
    verdict = check(SizedImage("image x", Weight(None), may_be_unknown=from_elsewhere), mode)

    assert list(map(str, verdict.violations)) == refusals
    assert verdict.warnings == warnings


INDEX = SizedImage("image i of tag app:v1", Weight(None), digest="i")


@pytest.mark.parametrize(
    ("image", "refusal"),
    [
        pytest.param(
            replace(INDEX, weight=Weight(2048, heaviest="c")),
            "requested usage of storage exceeds the maximum limit per alauda.io/Image "
            "(2Ki > 1Ki): image c (listed by image i of tag app:v1); make the image smaller, or "
            "raise max.storage in LimitRange ns/limits",
            id="a large image that an index lists",
        ),
        pytest.param(
            replace(INDEX, weight=Weight(2048, heaviest="i", unknown="c")),
            "requested usage of storage exceeds the maximum limit per alauda.io/Image "
            "(2Ki > 1Ki): image i of tag app:v1; make the image smaller, or "
            "raise max.storage in LimitRange ns/limits",
            id="too large already",
        ),
        pytest.param(
            replace(INDEX, weight=Weight(10, heaviest="i", unknown="c")),
            "the size of image c (listed by image i of tag app:v1) is unknown, and LimitRange "
            "ns/limits allows 1Ki per alauda.io/Image; push the images that an index lists before "
            "the index",
            id="an image of an index that nobody knows",
        ),
        pytest.param(
            replace(INDEX, expected_in="ImageStream ns/origin"),
            "the size of image i of tag app:v1 is unknown, and LimitRange ns/limits allows 1Ki per "
            "alauda.io/Image; name an image that ImageStream ns/origin holds, or push this one "
            "there first",
            id="an image that its stream does not hold",
        ),
    ],
)
def test_the_refusal_names_the_image_and_the_next_step(image: SizedImage, refusal: str) -> None:
    assert list(map(str, check(image, "deny").violations)) == [refusal]


LIE: dict[str, Any] = {
    "metadata": {"name": "sha256:other"},
    "dockerImageMetadata": {"Size": 5},
    "dockerImageLayers": [{"name": "a", "size": 4}, {"name": "b", "size": 2}],
}
CLAIM = (
    "image sha256:other is not believed: dockerImageMetadata.Size claims 5 bytes, but its own "
    "layers add up to 6 bytes"
)
AGAIN = "push the image again, or send the metadata that the registry has for it"


def test_an_image_that_contradicts_itself_is_refused() -> None:
    verdict = check_truth(Image.model_validate(LIE).claim)

    assert list(map(str, verdict.violations)) == [f"{CLAIM}; {AGAIN}"]
    assert verdict.warnings == []


def test_an_update_is_refused_for_a_new_contradiction_and_not_for_one_that_is_stored() -> None:
    old = Image.model_validate(LIE).claim
    new = Image.model_validate({**LIE, "dockerImageManifest": "{}"}).claim

    assert check_truth(old, old).allowed
    verdict = check_truth(new, old)
    assert verdict.warnings == [CLAIM]
    (violation,) = verdict.violations
    assert "dockerImageManifest has digest" in violation.message
