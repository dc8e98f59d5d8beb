"""Warnings about a LimitRange: parts without effect, and limits that are exceeded already."""

import pytest

from app.model.domain import ApiDomain
from app.model.quantity import Quantity
from app.policy.limit_objects import check_limit_range
from app.policy.verdict import Verdict
from tests.unit.limit_names import (
    DOMAIN,
    IMAGE,
    IMAGES,
    NOT_ENFORCED,
    OKD,
    STREAM,
    TAGS,
)
from tests.unit.test_limit_ranges import check_items, item, limit_range


@pytest.mark.parametrize("field", ["min", "default", "defaultRequest", "maxLimitRequestRatio"])
def test_fields_without_effect_are_warned_about(field: str) -> None:
    verdict = check_items(item(STREAM, max={IMAGES: "5"}, **{field: {IMAGES: "1"}}))
    assert verdict == Verdict(
        warnings=[
            f"LimitRange team-a/limits: spec.limits[0].{field} is ignored: "
            f"type {STREAM} has only max"
        ]
    )


@pytest.mark.parametrize("item_type", [IMAGE, STREAM])
def test_an_item_without_max_is_warned_about(item_type: str) -> None:
    assert check_items(item(item_type)) == Verdict(
        warnings=[
            f"LimitRange team-a/limits: spec.limits[0] of type {item_type} has no max "
            "and limits nothing"
        ]
    )


@pytest.mark.parametrize(
    ("written", "domain", "known"),
    [
        ("alauda.io/Gpu", DOMAIN, f"{IMAGE}, {STREAM}"),
        ("alauda.io/Usage", DOMAIN, f"{IMAGE}, {STREAM}"),
        ("openshift.io/Image", DOMAIN, f"{IMAGE}, {STREAM}"),
        ("openshift.io/ImageStream", DOMAIN, f"{IMAGE}, {STREAM}"),
        (IMAGE, OKD, "openshift.io/Image, openshift.io/ImageStream"),
    ],
)
def test_foreign_types_are_allowed_with_a_warning(
    written: str, domain: ApiDomain, known: str
) -> None:
    assert check_items(item(written, max={"storage": "1Gi"}), domain=domain) == Verdict(
        warnings=[
            f'LimitRange team-a/limits: spec.limits[0] of type "{written}" {NOT_ENFORCED} {known}'
        ]
    )


def test_an_unknown_resource_of_the_domain_is_allowed_with_a_warning() -> None:
    assert check_items(item(STREAM, max={"alauda.io/layers": "9"})) == Verdict(
        warnings=[
            f'LimitRange team-a/limits: spec.limits[0].max["alauda.io/layers"] {NOT_ENFORCED} '
            f"{IMAGES}, {TAGS}"
        ]
    )


@pytest.mark.parametrize(
    ("limit", "count", "warned"),
    [("100", 150, True), ("149", 150, True), ("150", 150, False), ("0", 0, False)],
)
@pytest.mark.parametrize("resource", [IMAGES, TAGS])
def test_a_maximum_below_the_largest_stream_is_warned_about(
    resource: str, limit: str, count: int, warned: bool
) -> None:
    verdict = check_limit_range(
        limit_range(item(STREAM, max={resource: limit})),
        domain=DOMAIN,
        largest={resource: ("app", count)},
    )
    warning = (
        f'LimitRange team-a/limits: spec.limits[0].max["{resource}"] is {limit}, but ImageStream '
        f"app has {count}; nothing is deleted, but a push that adds more is refused"
    )
    assert verdict == Verdict(warnings=[warning] if warned else [])


@pytest.mark.parametrize(
    ("limit", "warned"),
    [
        ("0", False),
        ("1", True),
        ("1001m", True),
        ("1000k", True),
        ("1023Ki", True),
        ("1Mi", False),
        ("1G", False),
    ],
)
def test_an_image_size_that_lacks_its_unit_is_warned_about(limit: str, warned: bool) -> None:
    warning = (
        f'LimitRange team-a/limits: spec.limits[0].max["storage"] is {Quantity(limit)}, and few '
        "images are smaller than 1Mi: is its unit missing?"
    )
    verdict = check_items(item(IMAGE, max={"storage": limit}))
    assert verdict == Verdict(warnings=[warning] if warned else [])
