"""Limits that warn or only record, and requests that are exempt from limits."""

from typing import Any

import pytest

from app.admission.review import AdmissionRequest
from app.model.limits import (
    LimitRange,
    NamespaceLimits,
    ResourceQuota,
    namespace_limits,
    own_part_of_limit_range,
    own_part_of_quota,
    strictest,
)
from app.model.mode import Mode
from app.policy.enforcement import Enforcement, Sender
from app.policy.limit_objects import check_limit_range, check_resource_quota
from app.policy.verdict import Verdict
from tests.unit.pushes import Pushes
from tests.unit.reviews import review
from tests.unit.stores import DOMAIN

ADMIN = Sender("admin", ("ops",))


def limit_range(name: str, mode: str | None, **sizes: str) -> LimitRange:
    annotations = {} if mode is None else {DOMAIN.mode_annotation: mode}
    return LimitRange.model_validate(
        {
            "metadata": {"name": name, "namespace": "team-a", "annotations": annotations},
            "spec": {"limits": [{"type": DOMAIN.image_type, "max": sizes}]},
        }
    )


def resource_quota(mode: str | None, streams: int) -> ResourceQuota:
    annotations = {} if mode is None else {DOMAIN.mode_annotation: mode}
    return ResourceQuota.model_validate(
        {
            "metadata": {"name": "q", "namespace": "team-a", "annotations": annotations},
            "spec": {"hard": {DOMAIN.imagestreams: str(streams)}},
        }
    )


def test_the_lowest_maximum_of_each_mode_counts() -> None:
    ranges = [
        limit_range("loose", "warn", storage="2Gi"),
        limit_range("tight", "warn", storage="1Gi"),
        limit_range("hard", "enforce", storage="3Gi"),
        limit_range("plain", None, storage="4Gi"),
    ]
    found = namespace_limits(DOMAIN, ranges, [resource_quota("audit", 1)])
    assert found.image_size is not None
    each = [(one.source, str(one.max), one.mode) for one in found.image_size.each]
    assert each == [("tight", "1Gi", "warn"), ("hard", "3Gi", "enforce"), ("plain", "4Gi", None)]
    assert strictest(found.image_size) == "enforce"
    assert [hard.mode for hard in found.quotas] == ["audit"]


def test_an_unknown_mode_is_refused_and_ignored() -> None:
    wrong, right = limit_range("l", "Warn", storage="1Gi"), limit_range("l", "warn", storage="1Gi")
    assert check_limit_range(right, domain=DOMAIN).reasons == ()
    assert check_limit_range(wrong, domain=DOMAIN).reasons == ("UnknownMode",)
    assert check_resource_quota(resource_quota("off", 1), domain=DOMAIN).reasons == ("UnknownMode",)
    found = namespace_limits(DOMAIN, [wrong], [])
    assert found.image_size is not None
    assert found.image_size.mode is None


@pytest.mark.parametrize(
    ("old_mode", "mode", "limits", "refused"),
    [
        (None, "wran", "images", ["UnknownMode"]),
        ("warn", "wran", "images", ["UnknownMode"]),
        ("off", "wran", "images", ["UnknownMode"]),
        ("wran", "wran", "images", []),
        ("wran", None, "images", []),
        ("wran", "warn", "images", []),
        ("enforce", "warn", "imges", []),
        ("enforce", "wran", "imges", ["UnknownMode"]),
    ],
)
@pytest.mark.parametrize("kind", ["LimitRange", "ResourceQuota"])
async def test_of_an_update_of_metadata_only_an_unknown_mode_is_refused(
    kind: str, old_mode: str | None, mode: str | None, limits: str, refused: list[str]
) -> None:
    """`imges` is a misspelled name that was stored before: it must not refuse a new mode."""
    name = f"{DOMAIN.name}/{limits}"
    items = {"limits": [{"type": DOMAIN.stream_type, "max": {name: "1"}}]}
    spec: dict[str, Any] = items if kind == "LimitRange" else {"hard": {name: "1"}}

    def annotated(value: str | None) -> dict[str, Any]:
        annotations = {} if value is None else {DOMAIN.mode_annotation: value}
        return {"metadata": {"name": "x", "annotations": annotations}, "spec": spec}

    request = AdmissionRequest.model_validate(
        {
            "uid": "u",
            "kind": {"version": "v1", "kind": kind},
            "operation": "UPDATE",
            "namespace": "team-a",
            "object": {
                **annotated(mode),
                "metadata": {**annotated(mode)["metadata"], "labels": {}},
            },
            "oldObject": annotated(old_mode),
        }
    )

    verdict = await review(Pushes(NamespaceLimits()), request)

    assert list(verdict.reasons) == refused
    faults = (mode == "wran") + (limits == "imges")
    assert len(verdict.violations) + len(verdict.warnings) == faults


@pytest.mark.parametrize(
    ("annotations", "kept"),
    [
        ({DOMAIN.mode_annotation: "warn", "a": "b"}, True),
        ({"a": 7}, False),
        (3, False),
    ],
)
def test_the_mode_is_all_that_is_kept_of_annotations(annotations: Any, kept: bool) -> None:
    content = {"metadata": {"name": "x", "annotations": annotations}}
    expected = {"name": "x"}
    if kept:
        expected |= {"annotations": {DOMAIN.mode_annotation: "warn"}}  # type: ignore[dict-item]
    assert own_part_of_limit_range(DOMAIN, content)["metadata"] == expected
    assert own_part_of_quota(DOMAIN, content)["metadata"] == expected


@pytest.mark.parametrize(
    ("enforcement", "sender", "namespace", "exemption"),
    [
        (Enforcement(users=("adm*",)), ADMIN, "team-a", "user admin"),
        (Enforcement(groups=("ops",)), ADMIN, "team-a", "group ops"),
        (Enforcement(namespaces=("team-*",)), Sender(), "team-a", "namespace team-a"),
        (Enforcement(users=("*",)), Sender(), "team-a", ""),
        (Enforcement(users=("root",), groups=("dev",), namespaces=("x",)), ADMIN, "team-a", ""),
    ],
)
def test_exemptions(
    enforcement: Enforcement, sender: Sender, namespace: str, exemption: str
) -> None:
    assert enforcement.exemption(sender, namespace) == exemption


@pytest.mark.parametrize(
    ("default", "mode", "exemption", "refused"),
    [
        ("enforce", None, "", True),
        ("enforce", "warn", "", False),
        ("enforce", "audit", "", False),
        ("warn", None, "", False),
        ("audit", "enforce", "", True),
        ("enforce", "enforce", "user admin", False),
    ],
)
def test_the_mode_decides_about_an_exceeded_limit(
    default: Mode, mode: Mode | None, exemption: str, refused: bool
) -> None:
    verdict = Verdict()
    verdict.exceed("QuotaExceeded", "too many", "delete some", mode)
    applied = Enforcement(default).applied(verdict, exemption)
    assert applied.allowed is not refused
    assert applied.exemption == exemption
    assert [found.mode for found in applied.tolerated] == (
        [] if refused else ["audit" if exemption else mode or default]
    )


def test_violations_of_other_rules_are_refused_in_every_mode() -> None:
    verdict = Verdict()
    verdict.deny("Incomplete", "no tag", "name one")
    assert not Enforcement("audit").applied(verdict, "user admin").allowed
