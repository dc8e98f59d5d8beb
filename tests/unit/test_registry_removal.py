"""Removing the registry, deleting its Config and replacing its Pod may lose images."""

from typing import Any, Literal

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check_deletion, config, reasons
from tests.unit.test_registry_data_loss import ANNOTATE, ANNOTATION, MANAGED, check_update, storage

DELETED = "managed storage is deleted with its images"
ENDED = "the emptyDir ends with the registry's Pod"
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {"docker-registry": "default"}},
}
UNMANAGED_DIR: dict[str, Any] = {"storage": {"managementState": "Unmanaged", "emptyDir": {}}}


@pytest.mark.parametrize(
    ("old", "new", "was", "going"),
    [
        (MANAGED, MANAGED, "Managed", DELETED),
        ({"managementState": "Unmanaged", **MANAGED}, MANAGED, "Unmanaged", DELETED),
        (storage("pvc"), storage("pvc"), "Managed", DELETED),
        (storage("emptyDir"), storage("emptyDir"), "Managed", ENDED),
        (UNMANAGED_DIR, UNMANAGED_DIR, "Managed", ENDED),
    ],
    ids=["managed", "from unmanaged", "where nothing is said", "emptyDir", "unmanaged emptyDir"],
)
def test_removing_the_registry_removes_storage_that_is_not_the_users(
    old: dict[str, Any], new: dict[str, Any], was: str, going: str
) -> None:
    [violation] = check_update(old, {**new, "managementState": "Removed"}).violations
    assert violation.reason == "RemovalLosesImages"
    assert violation.message == f"spec.managementState changes from {was} to Removed, and {going}"
    assert f"`{ANNOTATE}=true --overwrite`" in violation.next_step


@pytest.mark.parametrize(
    ("spec", "going"),
    [
        (MANAGED, DELETED),
        (storage("pvc"), DELETED),
        (UNMANAGED_DIR, ENDED),
        (storage("pvc", claim="x"), ""),
        ({}, ""),
    ],
    ids=["managed", "claim of the operator", "emptyDir", "claim of the user", "none"],
)
@pytest.mark.parametrize("guard", ["warn", "deny"])
def test_deleting_the_config_removes_storage_that_is_not_the_users(
    spec: dict[str, Any], going: str, guard: Literal["warn", "deny"]
) -> None:
    verdict = check_deletion(config(spec), guard=guard)
    found = [*map(str, verdict.violations), *verdict.warnings]
    assert [text.partition(going)[0] for text in found if going] == (
        ["Config cluster is deleted, and "] if going else []
    )
    assert verdict.allowed is (guard == "warn" or not going)


def test_an_acknowledged_deletion_is_a_warning() -> None:
    content = config(MANAGED, annotations={ANNOTATION: "true"})
    assert check_deletion(content, guard="deny").allowed


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ({"replicas": 1}, {"replicas": 0}, "spec.replicas"),
        ({}, {"replicas": 0}, "spec.replicas"),
        ({}, {"logLevel": "Debug", "readOnly": True}, "spec.logLevel and spec.readOnly"),
        ({"tolerations": [{"operator": "Exists"}]}, {}, "spec.tolerations"),
        ({"resources": {"limits": {"cpu": "1"}}}, {"resources": None}, "spec.resources"),
        ({}, {"proxy": {"http": "http://proxy:3128"}}, "spec.proxy"),
        ({}, {"affinity": {}}, "spec.affinity"),
        ({}, {"disableRedirect": True}, "spec.disableRedirect"),
        ({"nodeSelector": {"a": "b"}}, {}, "spec.nodeSelector"),
        ({}, {"requests": {"read": {"maxRunning": 1}}}, "spec.requests"),
        ({"topologySpreadConstraints": [SPREAD]}, {}, "spec.topologySpreadConstraints"),
        ({"affinity": {}}, {"affinity": {"podAffinity": None}}, ""),
        ({}, {"affinity": None, "topologySpreadConstraints": []}, ""),
        ({}, {"logLevel": "Normal", "disableRedirect": False, "readOnly": None}, ""),
        ({}, {"nodeSelector": {}, "tolerations": [], "requests": {"read": {}}}, ""),
        ({"replicas": 0}, {"replicas": 1}, ""),
        ({"replicas": 0}, {"replicas": 0, "logLevel": "Debug"}, ""),
        ({"managementState": "Removed"}, {"logLevel": "Debug"}, ""),
        ({}, {"operatorLogLevel": "Debug", "imagePullSecret": {"managementState": "Removed"}}, ""),
        ({}, {"managementState": "Unmanaged", "logLevel": "Debug"}, ""),
    ],
    ids=str,
)
def test_replacing_the_pod_of_an_empty_dir_loses_images(
    old: dict[str, Any], new: dict[str, Any], fields: str
) -> None:
    found = check_update({**old, **storage("emptyDir")}, {**new, **storage("emptyDir")}).violations
    assert [(one.reason, one.message.partition(",")[0]) for one in found] == (
        [("RestartLosesImages", f"with another {fields}")] if fields else []
    )
    assert check_update({**old, **storage("gcs")}, {**new, **storage("gcs")}).allowed


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (storage("emptyDir"), {"managementState": "Removed"}, "RemovalLosesImages"),
        (storage("pvc", claim="x"), {}, "StorageChangeLosesImages"),
        (storage("emptyDir"), storage("pvc", claim="x"), "StorageChangeLosesImages"),
    ],
    ids=["removed", "to an emptyDir", "from an emptyDir"],
)
def test_a_loss_by_another_cause_is_named_once(
    old: dict[str, Any], new: dict[str, Any], reason: str
) -> None:
    found = check_update(old, {**storage("emptyDir"), **new, "logLevel": "Debug"})
    assert reasons(found) == [reason]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (MANAGED, {"managementState": "Unmanaged", **MANAGED}),
        ({"managementState": "Removed", **MANAGED}, {"managementState": "Removed", **MANAGED}),
        (
            MANAGED,
            {
                "managementState": "Removed",
                "storage": {"managementState": "Unmanaged", "pvc": {"claim": "x"}},
            },
        ),
        (storage("pvc", claim="x"), {"managementState": "Removed", **storage("pvc", claim="x")}),
        ({}, {"managementState": "Removed"}),
    ],
    ids=["only unmanaged", "removed already", "storage let go", "storage brought", "no storage"],
)
def test_removing_the_registry_keeps_unmanaged_storage(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert check_update(old, new) == Verdict()
