"""Checks of ResourceQuotas: misspelled and ineffective limits are reported."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.domain import ApiDomain
from app.model.limits import ResourceQuota
from app.model.quantity import Quantity
from app.policy.limit_objects import check_resource_quota
from app.policy.verdict import Verdict
from tests.unit.limit_names import (
    BAD_NUMBERS,
    DOMAIN,
    IMAGES,
    NOT_ENFORCED,
    OKD,
    PRINTED,
    STREAMS,
    TAGS,
    refusals,
)


def quota(hard: dict[str, Any], **spec: Any) -> ResourceQuota:
    metadata = {"name": "quota", "namespace": "team-a"}
    return ResourceQuota.model_validate({"metadata": metadata, "spec": {"hard": hard, **spec}})


def check_hard(hard: dict[str, Any], domain: ApiDomain = DOMAIN, **spec: Any) -> Verdict:
    return check_resource_quota(quota(hard, **spec), domain=domain)


@pytest.mark.parametrize(
    "hard",
    [
        pytest.param({}, id="nothing"),
        pytest.param({STREAMS: "20", IMAGES: "200", TAGS: "200"}, id="the page's own"),
        pytest.param({"pods": "-1", "requests.storage": "100m"}, id="Kubernetes' own names"),
        pytest.param({"storage": "1", "images": "100m"}, id="names without a domain"),
        pytest.param({"requests.alauda.io/vgpu": "1"}, id="a device of another component"),
        pytest.param({"example.com/images": "100m"}, id="another domain"),
    ],
)
def test_valid_quota_passes_without_warnings(hard: dict[str, str]) -> None:
    assert check_hard(hard) == Verdict()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("alauda.io/imagestream", STREAMS),
        ("alauda.io/ImageStreams", STREAMS),
        ("alauda.io/image-streams", STREAMS),
        ("alauda.io/imagesteams", STREAMS),
        ("alauda.io/ImageStream", STREAMS),
        ("alauda.io/image", IMAGES),
        ("alauda.io/Images", IMAGES),
        ("image.alauda.io/images", IMAGES),
        ("alauda.io/image-tag", TAGS),
        ("alauda.io/image_tags", TAGS),
        ("alauda.io/imageTags", TAGS),
        ("alauda.io/imagestreamtags", TAGS),
    ],
)
def test_a_misspelled_quota_is_refused_with_the_right_name(written: str, meant: str) -> None:
    assert refusals(check_hard({"pods": "1", written: "5"})) == [
        (
            "MisspelledName",
            f'spec.hard has no resource "{written}"; did you mean {meant}?',
        )
    ]


@pytest.mark.parametrize("resource", [STREAMS, IMAGES, TAGS])
@pytest.mark.parametrize(("number", "reason", "rest"), BAD_NUMBERS)
def test_a_namespace_is_limited_by_whole_numbers(
    resource: str, number: str, reason: str, rest: str
) -> None:
    shown = PRINTED.get(number, number)
    assert refusals(check_hard({resource: number})) == [
        (reason, f'spec.hard["{resource}"] is {shown}, {rest}')
    ]


@pytest.mark.parametrize(
    ("limit", "warned"),
    [
        ("200", False),
        ("1e3", False),
        ("2k", False),
        (" 5 ", False),
        (5, False),
        ("10Gi", True),
        ("1Ki", True),
        ("1024Mi", True),
    ],
)
def test_a_count_in_bytes_is_warned_about(limit: object, warned: bool) -> None:
    warning = (
        f'ResourceQuota team-a/quota: spec.hard["{IMAGES}"] is {Quantity(str(limit).strip())}, '
        "and it is a count: is its unit meant?"
    )
    assert check_hard({IMAGES: limit}) == Verdict(warnings=[warning] if warned else [])


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("alauda.io/vgpu", DOMAIN),
        ("alauda.io/usage", DOMAIN),
        ("alauda.io/tags", DOMAIN),
        ("alauda.io/storage", DOMAIN),
        ("openshift.io/images", DOMAIN),
        ("openshift.io/imagestreams", DOMAIN),
        (IMAGES, OKD),
    ],
)
def test_names_of_others_are_allowed_with_a_warning(written: str, domain: ApiDomain) -> None:
    known = f"{domain.imagestreams}, {domain.images}, {domain.image_tags}"
    assert check_hard({written: "100m"}, domain) == Verdict(
        warnings=[f'ResourceQuota team-a/quota: spec.hard["{written}"] {NOT_ENFORCED} {known}']
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("requests.alauda.io/images", IMAGES),
        ("requests.alauda.io/image-tags", TAGS),
        ("limits.alauda.io/imagestream", STREAMS),
        ("requests.openshift.io/images", IMAGES),
        ("count/imagestreams.image.alauda.io", STREAMS),
        ("count/images.image.alauda.io", IMAGES),
        ("count/imagestreamtags.image.alauda.io", TAGS),
        ("count/imagestreams.image.openshift.io", STREAMS),
    ],
)
def test_a_name_in_the_form_of_another_quota_is_warned_about(written: str, meant: str) -> None:
    assert check_hard({written: "5"}) == Verdict(
        warnings=[
            f'ResourceQuota team-a/quota: spec.hard["{written}"] is not enforced by '
            f"registry-admission: did you mean {meant}?"
        ]
    )


@pytest.mark.parametrize(
    "written",
    [
        "count/pods",
        "count/images.example.com",
        "count/configs.imageregistry.operator.alauda.io",
        "requests.example.com/images",
        "requests.alauda.io/storage",
    ],
)
def test_other_kinds_of_quotas_pass_silently(written: str) -> None:
    assert check_hard({written: "5"}) == Verdict()


def test_other_names_of_the_other_domain_are_ignored() -> None:
    assert check_hard({"openshift.io/builds": "1"}) == Verdict()


SELECTOR = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("spec", "field"),
    [({"scopes": ["Terminating"]}, "scopes"), ({"scopeSelector": SELECTOR}, "scopeSelector")],
    ids=["scopes", "scopeSelector"],
)
def test_scopes_are_refused_with_names_of_ours(spec: dict[str, Any], field: str) -> None:
    assert refusals(check_hard({"pods": "1", IMAGES: "5", TAGS: "5"}, **spec)) == [
        (
            "ScopedQuota",
            f"spec.{field} cannot apply to {IMAGES}, {TAGS}: "
            "images have no scope; move these names to a ResourceQuota without scopes",
        )
    ]
    assert check_hard({"pods": "1"}, **spec) == Verdict()


@pytest.mark.parametrize(
    ("hard", "used", "warned"),
    [("200", 201, True), ("200", 200, False), ("0", 1, True), ("200", 0, False)],
)
@pytest.mark.parametrize("resource", [STREAMS, IMAGES, TAGS])
def test_hard_limit_below_the_use_gets_a_warning(
    resource: str, hard: str, used: int, warned: bool
) -> None:
    verdict = check_resource_quota(
        quota({resource: hard}), domain=DOMAIN, used={resource: used, "pods": 9}
    )
    warning = (
        f'ResourceQuota team-a/quota: spec.hard["{resource}"] is {hard}, but {used} are used; '
        "nothing is deleted, but a push that adds more is refused"
    )
    assert verdict == Verdict(warnings=[warning] if warned else [])


def test_unknown_use_gives_no_warning() -> None:
    assert check_hard({IMAGES: "0"}) == Verdict()


@given(st.text(), st.sampled_from(["alauda.io/", "image.alauda.io/", "openshift.io/", ""]))
def test_names_like_ours_are_never_silent(name: str, prefix: str) -> None:
    """Every name under the domain is enforced, refused or named in a warning."""
    written = prefix + name
    verdict = check_hard({written: "5"})
    domain_owned = prefix.endswith("alauda.io/") and written not in (STREAMS, IMAGES, TAGS)
    assert bool(verdict.violations or verdict.warnings) or not domain_owned
    assert verdict.violations == [] or domain_owned


@given(st.sampled_from([STREAMS, IMAGES, TAGS]), st.data())
def test_every_single_slip_is_found(name: str, data: st.DataObject) -> None:
    prefix, _, word = name.partition("/")
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("aeimnorstz"))
    slips = [
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    ]
    written = f"{prefix}/{data.draw(st.sampled_from(slips))}"
    if written != name:
        assert [reason for reason, _ in refusals(check_hard({written: "5"}))] == ["MisspelledName"]
