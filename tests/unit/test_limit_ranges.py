"""Checks of LimitRanges: misspelled and ineffective limits are reported."""

from typing import Any

import pytest

from app.model.domain import ApiDomain
from app.model.limits import LimitRange
from app.policy.limit_objects import check_limit_range
from app.policy.verdict import Verdict
from tests.unit.limit_names import (
    BAD_NUMBERS,
    DOMAIN,
    IMAGE,
    IMAGES,
    PRINTED,
    STREAM,
    STREAMS,
    TAGS,
    refusals,
)

UNDER_STREAM = f"belongs under type {STREAM}"


def limit_range(*items: dict[str, Any]) -> LimitRange:
    metadata = {"name": "limits", "namespace": "team-a"}
    return LimitRange.model_validate({"metadata": metadata, "spec": {"limits": list(items)}})


def item(item_type: str, **limits: dict[str, Any]) -> dict[str, Any]:
    return {"type": item_type, **limits}


def check_items(*items: dict[str, Any], domain: ApiDomain = DOMAIN) -> Verdict:
    return check_limit_range(limit_range(*items), domain=domain)


@pytest.mark.parametrize(
    "items",
    [
        pytest.param((), id="nothing"),
        pytest.param(
            (
                item(IMAGE, max={"storage": "1Gi"}),
                item(STREAM, max={IMAGES: "100", TAGS: "100"}),
            ),
            id="the page's own",
        ),
        pytest.param((item(STREAM, max={IMAGES: 0}),), id="zero"),
        pytest.param((item(STREAM, max={IMAGES: "1k", TAGS: "1e2"}),), id="counts with suffixes"),
        pytest.param((item(IMAGE, max={"storage": "1.1Gi"}),), id="a fraction of a size"),
        pytest.param((item(IMAGE, max={"storage": "0"}),), id="no image at all"),
        pytest.param(
            (item(STREAM, max={TAGS: "5"}), item(STREAM, max={TAGS: "3"})), id="a type twice"
        ),
        pytest.param(
            (
                item("Container", max={"cpu": "500m"}, default={"memory": "1Gi"}),
                item("Pod", max={"cpu": "2"}, min={"cpu": "100m"}),
                item("PersistentVolumeClaim", max={"storage": "100m"}),
            ),
            id="Kubernetes' own types",
        ),
        pytest.param(
            (item("Container", max={"alauda.io/vgpu": "100m", "nvidia.com/gpu": "1"}),),
            id="a device of another component",
        ),
        pytest.param((item("example.com/Image", max={"images": "-1"}),), id="somebody else's type"),
    ],
)
def test_valid_limit_range_passes_without_warnings(items: tuple[dict[str, Any], ...]) -> None:
    assert check_items(*items) == Verdict()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("alauda.io/image", IMAGE),
        ("alauda.io/images", IMAGE),
        ("alauda.io/IMAGE", IMAGE),
        ("alauda.io/Imgae", IMAGE),
        ("image.alauda.io/Image", IMAGE),
        ("alauda.io/imagestream", STREAM),
        ("alauda.io/imagestreams", STREAM),
        ("alauda.io/ImageStreams", STREAM),
        ("alauda.io/Image-Stream", STREAM),
        ("alauda.io/ImageSteam", STREAM),
        ("alauda.io/ImageStreamm", STREAM),
        ("alauda.io/image-tags", STREAM),
        ("alauda.io/ImageStreamTag", STREAM),
    ],
)
def test_a_misspelled_type_is_refused_with_the_right_one(written: str, meant: str) -> None:
    assert refusals(check_items({}, item(written, max={"storage": "1Gi"}))) == [
        (
            "MisspelledName",
            f'spec.limits[1] has an unknown type "{written}"; did you mean {meant}?',
        )
    ]


@pytest.mark.parametrize(
    ("item_type", "written", "meant"),
    [
        (STREAM, "alauda.io/image-tag", TAGS),
        (STREAM, "alauda.io/image_tags", TAGS),
        (STREAM, "alauda.io/imagetags", TAGS),
        (STREAM, "alauda.io/Image-Tags", TAGS),
        (STREAM, "alauda.io/image-tgas", TAGS),
        (STREAM, "alauda.io/imagestreamtags", TAGS),
        (STREAM, "image.alauda.io/image-tags", TAGS),
        (STREAM, "image-tags", TAGS),
        (STREAM, "openshift.io/image-tags", TAGS),
        (STREAM, "alauda.io/image", IMAGES),
        (STREAM, "alauda.io/Images", IMAGES),
        (STREAM, "alauda.io/imags", IMAGES),
        (STREAM, "alauda.io/imeges", IMAGES),
        (IMAGE, "Storage", "storage"),
        (IMAGE, "alauda.io/storage", "storage"),
        (IMAGE, "strorage", "storage"),
    ],
)
def test_a_misspelled_resource_is_refused_with_the_right_one(
    item_type: str, written: str, meant: str
) -> None:
    assert refusals(check_items({}, item(item_type, max={written: "5"}))) == [
        (
            "MisspelledName",
            f'spec.limits[1].max has no resource "{written}"; did you mean {meant}?',
        )
    ]


@pytest.mark.parametrize(
    ("item_type", "written", "next_step"),
    [
        (STREAM, "storage", f"storage belongs under type {IMAGE}"),
        (STREAM, STREAMS, f"{STREAMS} belongs under spec.hard of a ResourceQuota"),
        (IMAGE, IMAGES, f"{IMAGES} {UNDER_STREAM}"),
        (IMAGE, TAGS, f"{TAGS} {UNDER_STREAM}"),
        (IMAGE, "alauda.io/image_tag", f"{TAGS} {UNDER_STREAM}"),
        ("Container", IMAGES, f"{IMAGES} {UNDER_STREAM}"),
        ("Pod", TAGS, f"{TAGS} {UNDER_STREAM}"),
        ("PersistentVolumeClaim", STREAMS, f"{STREAMS} belongs under spec.hard of a ResourceQuota"),
        ("Container", "alauda.io/image_tags", f"{TAGS} {UNDER_STREAM}"),
        ("example.com/Thing", IMAGES, f"{IMAGES} {UNDER_STREAM}"),
    ],
)
def test_a_resource_under_the_wrong_type_is_refused_with_its_place(
    item_type: str, written: str, next_step: str
) -> None:
    assert refusals(check_items(item(item_type, max={written: "5"}))) == [
        (
            "WrongType",
            f'spec.limits[0].max["{written}"] cannot be limited '
            f"under type {item_type}; {next_step}",
        )
    ]


@pytest.mark.parametrize("field", ["min", "default", "defaultRequest", "maxLimitRequestRatio"])
def test_a_resource_of_ours_is_refused_in_any_field_of_another_type(field: str) -> None:
    (violation,) = check_items(item("Container", **{field: {IMAGES: "1"}})).violations
    assert violation.reason == "WrongType"
    assert f'spec.limits[0].{field}["{IMAGES}"]' in violation.message


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ({"max": {IMAGES: "5"}}, "max"),
        ({"min": {IMAGES: "5"}}, "min"),
        ({"default": {IMAGES: "5"}}, "default"),
        ({"max": {IMAGES: "5"}, "min": {IMAGES: "1"}}, "max"),
    ],
)
def test_a_refusal_names_no_field_that_the_api_server_filled_in(
    written: dict[str, Any], field: str
) -> None:
    """The defaults that Kubernetes sets on a Container item (SetDefaults_LimitRangeItem)."""
    default = {**written.get("max", {}), **written.get("default", {})}
    request = {**written.get("min", {}), **default}
    filled = item("Container", **{**written, "default": default, "defaultRequest": request})

    [violation] = check_items(filled).violations

    assert violation.message.startswith(f'spec.limits[0].{field}["{IMAGES}"] cannot be limited')


@pytest.mark.parametrize(
    ("item_type", "known"), [(IMAGE, "storage"), (STREAM, f"{IMAGES} and {TAGS}")]
)
@pytest.mark.parametrize("written", ["memory", "cpu", "pods", "example.com/blobs"])
def test_a_resource_that_a_type_does_not_have_is_refused(
    item_type: str, known: str, written: str
) -> None:
    assert refusals(check_items(item(item_type, max={written: "5"}))) == [
        (
            "UnknownResource",
            f'spec.limits[0].max has no resource "{written}"; type {item_type} limits {known}',
        )
    ]


@pytest.mark.parametrize("resource", [IMAGES, TAGS])
@pytest.mark.parametrize(("number", "reason", "rest"), BAD_NUMBERS)
def test_a_stream_is_limited_by_whole_numbers(
    resource: str, number: str, reason: str, rest: str
) -> None:
    shown = PRINTED.get(number, number)
    assert refusals(check_items(item(STREAM, max={resource: number}))) == [
        (reason, f'spec.limits[0].max["{resource}"] is {shown}, {rest}')
    ]


@pytest.mark.parametrize(
    ("size", "reason", "rest"),
    [
        ("-1Gi", "NegativeLimit", "below 0; set it to 0 or more"),
        ("Mi", "NoNumber", "a suffix without a number; write the number before it"),
        (
            "100m",
            "LessThanOneByte",
            "less than one byte; m stands for thousandths: did you mean M or Mi?",
        ),
    ],
)
def test_size_must_be_positive_bytes(size: str, reason: str, rest: str) -> None:
    shown = PRINTED.get(size, size)
    assert refusals(check_items(item(IMAGE, max={"storage": size}))) == [
        (reason, f'spec.limits[0].max["storage"] is {shown}, {rest}')
    ]


@pytest.mark.parametrize("size", ["0", "1"])
def test_zero_and_one_byte_are_accepted(size: str) -> None:
    assert refusals(check_items(item(IMAGE, max={"storage": size}))) == []


def test_every_violation_is_named() -> None:
    verdict = check_items(
        item(STREAM, max={"alauda.io/image": "1", TAGS: "-1", "memory": "1"}),
        item("alauda.io/image"),
        item("Pod", max={IMAGES: "1"}),
    )
    assert [violation.reason for violation in verdict.violations] == [
        "MisspelledName",
        "NegativeLimit",
        "UnknownResource",
        "MisspelledName",
        "WrongType",
    ]
