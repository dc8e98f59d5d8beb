"""Deleting the claim that holds the registry's images."""

from typing import Any, Literal

import pytest

from app.admission.registry_kinds import RegistryAdmission
from app.admission.review import AdmissionRequest
from app.cluster.stores import WatchedConfig
from app.cluster.unreadable import UnreadableObjects
from app.config.settings import Settings
from app.model.registry import Config
from app.policy.verdict import Verdict
from tests.unit.registry_configs import config, reasons
from tests.unit.stores import FakeState

ANNOTATION = "imageregistry.operator.alauda.io/acknowledge-data-loss"
ANNOTATE = (
    f"kubectl annotate -n image-registry-system persistentvolumeclaims image-registry {ANNOTATION}"
)
LOSS = (
    "it holds the registry's images, and its volume is deleted with it unless the volume's reclaim "
    "policy is Retain"
)


def deletion(
    name: str = "image-registry",
    namespace: str = "image-registry-system",
    request_name: str | None = None,
    **metadata: object,
) -> AdmissionRequest:
    """A request to delete a claim. `request_name`: "" as in the deletion of a collection."""
    return AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
            "name": name if request_name is None else request_name,
            "namespace": namespace,
            "operation": "DELETE",
            "oldObject": {"metadata": {"name": name, "namespace": namespace, **metadata}},
        }
    )


def review(
    request: AdmissionRequest,
    claim: str = "image-registry",
    *,
    images: bool = True,
    guard: Literal["warn", "deny"] = "deny",
) -> Verdict | None:
    state = FakeState()
    if images:
        state.store("team-a", "app", {"v1": ("sha256:" + "0" * 64,)})
    settings = Settings(data_loss_guard=guard)
    return RegistryAdmission(state, settings, None, claim=lambda: claim).claim_deletion(request)


def test_the_claim_with_the_images_is_not_deleted() -> None:
    verdict = review(deletion())
    assert verdict is not None
    assert reasons(verdict) == ["ClaimDeletionLosesImages"]
    assert str(verdict.violations[0]) == (
        f"{LOSS}; copy the images first, or accept the loss with `{ANNOTATE}=true --overwrite`, "
        "and delete it again"
    )


@pytest.mark.parametrize("request_name", ["image-registry", ""])
def test_a_collection_is_decided_claim_by_claim(request_name: str) -> None:
    verdict = review(deletion(request_name=request_name))
    assert verdict is not None
    assert not verdict.allowed


@pytest.mark.parametrize(
    ("request_", "claim", "decided"),
    [
        (deletion(), "image-registry", True),
        (deletion(), "other", False),
        (deletion(), "", False),
        (deletion(namespace="team-a"), "image-registry", False),
        (deletion(deletionTimestamp="2026-01-01T00:00:00Z"), "image-registry", False),
    ],
    ids=["its claim", "another claim", "no claim", "another namespace", "already going"],
)
def test_only_the_claim_with_the_images_is_decided(
    request_: AdmissionRequest, claim: str, decided: bool
) -> None:
    assert (review(request_, claim) is not None) is decided


def test_a_registry_without_images_loses_none() -> None:
    assert review(deletion(), images=False) == Verdict()


def test_the_guard_may_warn() -> None:
    assert review(deletion(), guard="warn") == Verdict(
        warnings=[f"{LOSS}: copy the images first, or lose them"]
    )


@pytest.mark.parametrize(("value", "allowed"), [("true", True), ("yes", False)])
def test_the_loss_is_accepted_with_an_annotation(value: str, allowed: bool) -> None:
    verdict = review(deletion(annotations={ANNOTATION: value}))
    assert verdict is not None
    assert verdict.allowed is allowed


@pytest.mark.parametrize(
    ("spec", "metadata", "claim"),
    [
        ({"storage": {"pvc": {"claim": "images"}}}, {}, "images"),
        ({"storage": {"managementState": "Managed", "pvc": {"claim": "images"}}}, {}, "images"),
        ({"managementState": "Unmanaged", "storage": {"pvc": {"claim": "images"}}}, {}, "images"),
        ({"managementState": "Removed", "storage": {"pvc": {"claim": "images"}}}, {}, ""),
        (
            {"storage": {"pvc": {"claim": "images"}}},
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "",
        ),
        ({"storage": {"pvc": {}}}, {}, ""),
        ({"storage": {"emptyDir": {}}}, {}, ""),
        ({}, {}, ""),
    ],
    ids=str,
)
def test_the_config_names_the_claim_as_long_as_the_registry_stays(
    spec: dict[str, Any], metadata: dict[str, object], claim: str
) -> None:
    content = config(spec, **metadata)
    assert Config.model_validate(content).claim == claim

    watched = WatchedConfig(UnreadableObjects("v1", "Config"))
    watched.put(("", "cluster"), content)
    assert watched.claim == claim
    watched.put(("", "cluster"), config({"storage": {"pvc": "odd"}}))
    assert watched.claim == claim
    watched.retain(set())
    assert watched.claim == ""
