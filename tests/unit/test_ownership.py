"""Who else is at work, and what is left to them."""

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
    ("config", "claims", "in_scope", "off", "apart"),
    [
        (None, 0, 0, False, False),
        (None, 0, 10, False, False),
        (None, 1, 10, False, True),
        (None, 4, 10, False, True),
        (None, 5, 10, True, False),
        (None, 1, 1, True, False),
        (Claim("Config cluster", "annotation x"), 0, 10, True, False),
    ],
)
def test_mark_of_one_tenant_does_not_turn_the_controller_off(
    config: Claim | None, claims: int, in_scope: int, off: bool, apart: bool
) -> None:
    found = management_state(config, [CLAIM] * claims, in_scope)

    assert (bool(found.off), bool(found.apart)) == (off, apart)


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
