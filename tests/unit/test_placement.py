"""Nodes for the Pods of the registry and of its pruner."""

from typing import Any

import pytest

from app.model.registry import ImagePruner
from app.policy.operator import image_pruner
from app.policy.verdict import Verdict
from tests.unit.registry_configs import check_spec, reasons

INFRA: dict[str, Any] = {"key": "node-role.kubernetes.io/infra", "effect": "NoSchedule"}


def check_both(spec: dict[str, Any]) -> Verdict:
    """The verdict on a Config. The verdict on an equal ImagePruner must be the same."""
    verdict = check_spec(spec)
    pruner = ImagePruner.model_validate({"metadata": {"name": "cluster"}, "spec": spec})
    assert image_pruner.check(pruner) == verdict
    return verdict


@pytest.mark.parametrize(
    "toleration",
    [
        INFRA,
        {**INFRA, "operator": "Exists"},
        {**INFRA, "operator": "Equal", "value": "reserved"},
        {"operator": "Exists"},
        {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
        {"key": "<taint>"},
        {"key": "a", "value": None, "operator": None, "effect": None, "tolerationSeconds": None},
    ],
    ids=str,
)
def test_tolerations_of_a_pod_are_allowed(toleration: dict[str, Any]) -> None:
    assert check_both({"tolerations": [INFRA, toleration]}).allowed


@pytest.mark.parametrize(
    ("toleration", "problem"),
    [
        ({**INFRA, "operator": "exists"}, '.operator is "exists", not one of Exists, Equal'),
        ({**INFRA, "effect": "NoExec"}, '.effect is "NoExec", not one of NoSchedule'),
        ({"operator": "Exists", "value": "x"}, ' has operator Exists and the value "x"'),
        ({"value": "x"}, " has no key"),
        ({}, " has no key"),
        ({"key": "a b"}, ' has the key "a b", which no taint can have'),
        ({"key": "a/b/c"}, ' has the key "a/b/c", which no taint can have'),
        ({"key": "a", "value": "ü"}, ' has the value "ü", which no taint can have'),
        ({"key": "a", "value": "x" * 64}, " has the value"),
        ({**INFRA, "tolerationSeconds": 60}, " has tolerationSeconds without effect NoExecute"),
    ],
    ids=str,
)
def test_a_toleration_that_no_pod_can_have_is_refused(
    toleration: dict[str, Any], problem: str
) -> None:
    verdict = check_both({"tolerations": [INFRA, toleration]})
    assert reasons(verdict) == ["InvalidToleration"]
    assert verdict.violations[0].message.startswith(f"spec.tolerations[1]{problem}")


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("node-role.kubernetes.io/infra", "", True),
        ("Zone", "a_B.c-1", True),
        ("x" * 63, "x" * 63, True),
        ("example.com/zone", None, True),
        ("<key>", "<value>", True),
        ("", "x", False),
        ("a/", "x", False),
        ("/a", "x", False),
        ("Example.com/a", "x", False),
        ("a/b/c", "x", False),
        ("x" * 64, "x", False),
        ("-a", "x", False),
        ("a", "-", False),
        ("a", "x" * 64, False),
        ("a", "true\n", False),
    ],
)
def test_a_node_selector_has_labels(key: str, value: str | None, valid: bool) -> None:
    verdict = check_both({"nodeSelector": {key: value}})
    assert reasons(verdict) == ([] if valid else ["InvalidNodeSelector"])


@pytest.mark.parametrize(
    ("spec", "warned"),
    [
        ({"replicas": 2}, True),
        ({"replicas": 2, "managementState": "Managed"}, True),
        ({"replicas": 2, "managementState": "Removed"}, False),
        ({"replicas": 2, "affinity": {}}, False),
        ({"replicas": 1}, False),
        ({"replicas": 3}, False),
    ],
    ids=str,
)
def test_two_pods_on_one_node_are_warned_about(spec: dict[str, Any], warned: bool) -> None:
    verdict = check_spec({**spec, "nodeSelector": {"kubernetes.io/hostname": "node-1"}})
    warning = (
        "spec.replicas is 2 and spec.nodeSelector names one node, and the operator runs two Pods "
        "on different nodes: set spec.replicas to 1, or spec.affinity"
    )
    assert verdict == Verdict(warnings=[warning] if warned else [])
