"""Which objects belong to another owner, and when a controller is off."""

from typing import Any

import pytest

from app.controllers.config import Condition
from app.controllers.ownership import (
    Claim,
    ManagementState,
    management_state,
    mark_of_account,
    mark_of_config,
    mark_of_secret,
)
from tests.unit.controlled import RIVALS, managed

OURS = "registry-admission-pull-secrets"


@pytest.mark.parametrize(
    ("metadata", "mark"),
    [
        ({}, ""),
        ({"annotations": {"note": "x"}}, ""),
        (
            {"annotations": {"openshift.io/internal-registry-pull-secret-ref": "other"}},
            "annotation openshift.io/internal-registry-pull-secret-ref",
        ),
        (
            {"annotations": {"alauda.io/internal-registry-pull-secret-ref": "other"}},
            "annotation alauda.io/internal-registry-pull-secret-ref",
        ),
        ({"annotations": {"alauda.io/internal-registry-pull-secret-ref": "our-secret"}}, ""),
        ({"annotations": {"alauda.io/internal-registry-pull-secret-ref": ""}}, ""),
        (
            {"managedFields": [managed("cluster-image-registry-operator", "Update",
                                       **{"f:imagePullSecrets": {}})]},
            "field manager cluster-image-registry-operator",
        ),
        (
            {"managedFields": [managed("cluster-image-registry-operator", "Update",
                                       **{"f:secrets": {}})]},
            "",
        ),
        ({"managedFields": [managed("kubectl-edit", "Update", **{"f:imagePullSecrets": {}})]}, ""),
        ({"managedFields": [managed(OURS, "Update", **{"f:imagePullSecrets": {}})]}, ""),
    ],
)  # fmt: skip
def test_marks_on_a_service_account(metadata: dict[str, Any], mark: str) -> None:
    assert mark_of_account(metadata, "our-secret", RIVALS) == mark


@pytest.mark.parametrize(
    ("manager", "operation", "field", "marked"),
    [
        ("kubectl-edit", "Update", "f:data", False),
        ("kubectl", "Apply", "f:data", True),
        ("argocd", "Apply", "f:metadata", False),
        ("cluster-image-registry-operator", "Update", "f:data", True),
        (OURS, "Apply", "f:data", False),
    ],
)
def test_applying_a_secret_makes_an_owner_and_editing_does_not(
    manager: str, operation: str, field: str, marked: bool
) -> None:
    metadata = {"managedFields": [managed(manager, operation, **{field: {}})]}

    assert mark_of_secret(metadata, OURS, RIVALS) == (f"field manager {manager}" if marked else "")


@pytest.mark.parametrize(
    ("owner", "mark"),
    [(None, ""), ("", ""), ("registry-admission", ""), ("operator", "annotation x-owner=operator")],
)
def test_config_may_name_an_owner(owner: str | None, mark: str) -> None:
    metadata = {"annotations": {} if owner is None else {"x-owner": owner}}

    assert mark_of_config(metadata, "x-owner") == mark


CLAIM = Claim("ServiceAccount team-a/default", "annotation x")


@pytest.mark.parametrize(
    ("claims", "in_scope", "off", "apart"),
    [
        pytest.param({}, {}, False, False, id="nothing in scope"),
        pytest.param({}, {"a": 10}, False, False, id="no claim"),
        pytest.param({"a": 1}, {"a": 10, "b": 1}, False, True, id="one of many objects"),
        pytest.param({"a": 26}, {"a": 26, "b": 1}, False, True, id="every object of one tenant"),
        pytest.param(
            {"a": 26}, {"a": 26, "b": 21, "c": 0}, False, True, id="most objects, one namespace"
        ),
        pytest.param({"a": 1, "b": 1}, {"a": 3, "b": 3, "c": 3}, False, True, id="few of each"),
        pytest.param({"a": 2, "b": 2}, {"a": 3, "b": 3, "c": 3}, True, False, id="most namespaces"),
        pytest.param({"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 9, "d": 9}, False, True, id="half"),
        pytest.param({"a": 1, "b": 1}, {"a": 2, "b": 2}, True, False, id="half of each"),
        pytest.param({"a": 1}, {"a": 1}, True, False, id="the only namespace"),
    ],
)
def test_marks_of_one_tenant_do_not_turn_the_controller_off(
    claims: dict[str, int], in_scope: dict[str, int], off: bool, apart: bool
) -> None:
    found = management_state(
        None, {name: [CLAIM] * count for name, count in claims.items()}, in_scope
    )

    assert (bool(found.off), bool(found.apart)) == (off, apart)


def test_management_state_names_one_claim_and_counts_namespaces() -> None:
    found = management_state(None, {"team-a": [CLAIM, CLAIM]}, {"team-a": 2, "team-b": 1})

    assert found.apart == (
        "ServiceAccount team-a/default has the annotation x "
        "(1 of 2 namespaces are claimed like this)"
    )


def test_config_turns_a_controller_off() -> None:
    found = management_state(Claim("Config cluster", "annotation x"), {}, {"team-a": 10})

    assert found.off == "Config cluster has the annotation x"


@pytest.mark.parametrize(
    ("found", "active", "reason"),
    [
        (ManagementState(), True, "AsExpected"),
        (ManagementState(apart="A"), True, "OtherOwnerOfSome"),
        (ManagementState(off="A"), False, "OtherOwner"),
    ],
)
def test_condition_names_the_owner_and_the_next_step(
    found: ManagementState, active: bool, reason: str
) -> None:
    condition = Condition.of("PullSecretsManaged", "pull-secrets", found)

    assert (condition.active, condition.reason) == (active, reason)
    if found.off:
        assert "A; turn the other owner off" in condition.message
        assert "take pull-secrets out of --controllers" in condition.message
