"""`spec.topologySpreadConstraints` of Config/cluster."""

from typing import Any

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check_spec, reasons

PATH = "spec.topologySpreadConstraints[0]"
ZONES: dict[str, Any] = {
    "maxSkew": 1,
    "topologyKey": "topology.kubernetes.io/zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"docker-registry": "default"}},
}


def check(*constraints: object) -> Verdict:
    return check_spec({"topologySpreadConstraints": list(constraints)})


ALLOWED: list[list[Any]] = [
    [],
    [ZONES],
    [ZONES, {**ZONES, "whenUnsatisfiable": "ScheduleAnyway"}],
    [ZONES, {**ZONES, "topologyKey": "kubernetes.io/hostname"}],
    [{**ZONES, "minDomains": 1, "nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore"}],
    [{**ZONES, "matchLabelKeys": ["pod-template-hash"]}],
    [{**ZONES, "minDomains": None, "nodeAffinityPolicy": None, "matchLabelKeys": None}],
    [{**ZONES, "labelSelector": {}, "matchLabelKeys": ["pod-template-hash"]}],
    [{**ZONES, "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}],
]


@pytest.mark.parametrize("constraints", ALLOWED, ids=str)
def test_constraints_of_a_pod_are_allowed(constraints: list[object]) -> None:
    assert check(*constraints) == Verdict()


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"maxSkew": 0}, ".maxSkew is 0, below 1", "set it to 1 or more"),
    ({"maxSkew": None}, ".maxSkew is 0, below 1", "set it to 1 or more"),
    (
        {"topologyKey": None},
        ".topologyKey is empty",
        "name a label of nodes, such as kubernetes.io/hostname or topology.kubernetes.io/zone",
    ),
    (
        {"topologyKey": "Zone/"},
        '.topologyKey has "Zone/", which no label can be named',
        "write it as `kubectl get --show-labels` shows it",
    ),
    (
        {"whenUnsatisfiable": "DoNotschedule"},
        '.whenUnsatisfiable is "DoNotschedule", not one of DoNotSchedule, ScheduleAnyway',
        "did you mean DoNotSchedule?",
    ),
    (
        {"whenUnsatisfiable": None},
        '.whenUnsatisfiable is "", not one of DoNotSchedule, ScheduleAnyway',
        "set it to one of them",
    ),
    ({"minDomains": 0}, ".minDomains is 0, below 1", "set it to 1 or more"),
    (
        {"minDomains": 2, "whenUnsatisfiable": "ScheduleAnyway"},
        " has minDomains and whenUnsatisfiable ScheduleAnyway",
        "remove minDomains, or set whenUnsatisfiable to DoNotSchedule",
    ),
    (
        {"nodeTaintsPolicy": "honor"},
        '.nodeTaintsPolicy is "honor", not one of Honor, Ignore',
        "did you mean Honor?",
    ),
    (
        {"nodeAffinityPolicy": ""},
        '.nodeAffinityPolicy is "", not one of Honor, Ignore',
        "set it to one of them",
    ),
    (
        {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
        ".labelSelector.matchExpressions[0] has operator In and no values",
        "name the values",
    ),
    (
        {"matchLabelKeys": ["docker-registry"]},
        '.matchLabelKeys and labelSelector both have "docker-registry"',
        "keep one of them",
    ),
    (
        {"matchLabelKeys": ["pod-template-hash", "tenant", "pod-template-hash"]},
        '.matchLabelKeys has "pod-template-hash" more than once',
        "keep one of them",
    ),
]


@pytest.mark.parametrize(("changed", "message", "next_step"), REFUSED, ids=str)
def test_a_constraint_that_no_pod_can_have_is_refused(
    changed: dict[str, Any], message: str, next_step: str
) -> None:
    verdict = check({**ZONES, **changed})
    assert reasons(verdict) == ["InvalidTopologySpread"]
    assert str(verdict.violations[0]) == f"{PATH}{message}; {next_step}"


def test_two_constraints_of_one_key_and_action_are_refused() -> None:
    [violation] = check(ZONES, {**ZONES, "maxSkew": 2}).violations
    assert str(violation) == (
        'spec.topologySpreadConstraints[1] has the topologyKey "topology.kubernetes.io/zone" and '
        'the whenUnsatisfiable "DoNotSchedule" of an earlier one; keep one of them'
    )


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        (None, " has no labelSelector and spreads nothing"),
        ({}, " has an empty labelSelector and spreads nothing"),
        ({"matchLabels": {}}, " has an empty labelSelector and spreads nothing"),
    ],
    ids=str,
)
def test_a_constraint_that_counts_no_pods_is_warned_about(selector: object, problem: str) -> None:
    warning = f"{PATH}{problem}: set it to the labels of the registry's Pods"
    assert check({**ZONES, "labelSelector": selector}) == Verdict(warnings=[warning])
