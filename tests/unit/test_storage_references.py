"""Checks of the objects that Config/cluster refers to: claim, credentials and CA."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.model.core import ConfigMap, Secret
from app.model.credentials import S3_ACCESS_KEY, S3_SECRET_KEY, create_command
from app.model.registry import Config
from app.model.volumes import PersistentVolumeClaim, StorageClass
from app.policy.operator import registry_config, storage_references
from app.policy.operator.storage_references import Names, Referenced, Unread
from app.policy.verdict import MAX_WARNING, Verdict
from tests.unit.registry_configs import config, reasons
from tests.unit.stores import DOMAIN

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PVC = {"storage": {"managementState": "Unmanaged", "pvc": {"claim": "images"}}}
S3 = {"storage": {"s3": {"bucket": "images", "region": "eu-1"}}}
WITH_CA = {
    "storage": {"s3": {"bucket": "images", "region": "eu-1", "trustedCA": {"name": "storage-ca"}}}
}
KEYS = Secret.model_validate({"data": {S3_ACCESS_KEY: "eA==", S3_SECRET_KEY: "eA=="}})
HALF = Secret.model_validate({"data": {S3_ACCESS_KEY: "eA=="}})
UNREAD = Unread("the API server did not answer")


def claim(
    phase: str = "Bound", *, modes: tuple[str, ...] = ("ReadWriteOnce",), **spec: Any
) -> PersistentVolumeClaim:
    """A claim that is an hour old."""
    status: dict[str, Any] = {"phase": phase}
    if phase == "Bound":
        status |= {"accessModes": list(modes), "capacity": {"storage": "100Gi"}}
    return PersistentVolumeClaim.model_validate(
        {
            "metadata": {"name": "images", "creationTimestamp": "2029-12-31T23:00:00Z"},
            "spec": {"accessModes": list(modes), **spec},
            "status": status,
        }
    )


def storage_class(mode: str = "Immediate", provisioner: str = "driver.example.com") -> StorageClass:
    return StorageClass.model_validate({"volumeBindingMode": mode, "provisioner": provisioner})


def referenced(**objects: Any) -> Referenced:
    return Referenced("registry", "ca-namespace", NOW, **objects)


def check(
    spec: dict[str, Any], *, strict: bool = True, old: dict[str, Any] | None = None, **objects: Any
) -> Verdict:
    return registry_config.check(
        Config.model_validate(config(spec)),
        Config.model_validate(config(old)) if old is not None else None,
        domain=DOMAIN,
        images_exist=False,
        data_loss_guard="warn",
        referenced=referenced(**objects),
        strict=strict,
    )


@pytest.mark.parametrize(
    ("spec", "objects"),
    [
        ({"storage": {"emptyDir": {}}}, {}),
        ({"storage": {"pvc": {}}}, {}),
        ({"storage": {"managementState": "Managed", "pvc": {"claim": "images"}}}, {}),
        ({"managementState": "Removed", **WITH_CA}, {}),
        ({"managementState": "Removed", **PVC}, {}),
        (PVC, {"claim": claim()}),
        (PVC, {"claim": claim("Pending", volumeName="pv-1", storageClassName="gone")}),
        (PVC, {"claim": PersistentVolumeClaim()}),
        ({"replicas": 2, **PVC}, {"claim": claim(modes=("ReadWriteOnce", "ReadWriteMany"))}),
        ({"rolloutStrategy": "RollingUpdate", **PVC}, {"claim": claim(modes=("ReadWriteMany",))}),
        ({"rolloutStrategy": "Recreate", **PVC}, {"claim": claim()}),
        (S3, {"secret": KEYS}),
    ],
    ids=[
        "emptyDir", "no claim yet", "managed claim", "removed s3", "removed pvc", "bound",
        "binding", "just applied", "shared", "rolling on shared", "recreate", "s3",
    ],
)  # fmt: skip
def test_suitable_objects_give_no_findings(spec: dict[str, Any], objects: dict[str, Any]) -> None:
    assert check(spec, **objects) == Verdict()


@pytest.mark.parametrize(
    ("spec", "objects", "reason", "texts"),
    [
        (PVC, {}, "ClaimMissing", [
            'spec.storage.pvc.claim: PersistentVolumeClaim "images" does not exist in namespace '
            "registry; create it, or name one of `kubectl -n registry get pvc`",
        ]),
        (PVC, {"claim": claim("Lost")}, "ClaimUnusable", [
            'spec.storage.pvc.claim: PersistentVolumeClaim "images" is Lost: its volume is gone; '
            '`kubectl -n registry describe pvc "images"` says more',
        ]),
        (PVC, {"claim": claim(volumeMode="Block")}, "ClaimUnusable", ["volumeMode Block"]),
        (PVC, {"claim": claim("Pending", storageClassName="fast")}, "StorageClassMissing", [
            'spec.storage.pvc.claim: PersistentVolumeClaim "images" is Pending: StorageClass '
            '"fast" does not exist; create the claim again with one of `kubectl get storageclass`',
        ]),
        (PVC, {"claim": claim(modes=("ReadOnlyMany",))}, "ClaimReadOnly", ["ReadOnlyMany"]),
        ({"replicas": 2, **PVC}, {"claim": claim()}, "ClaimNotShared", [
            'spec.replicas is 2, and PersistentVolumeClaim "images" is ReadWriteOnce; set '
            "spec.replicas to 1, or name a claim with access mode ReadWriteMany",
        ]),
        ({"replicas": 2, "rolloutStrategy": "RollingUpdate", **PVC},
         {"claim": claim()}, "ClaimNotShared", ["spec.replicas is 2", "ReadWriteOnce"]),
        ({"rolloutStrategy": "Recreate", **PVC}, {"claim": claim(modes=("ReadWriteOncePod",))},
         "ClaimModeUnsupported", [
            'PersistentVolumeClaim "images" is ReadWriteOncePod, and the operator takes '
            "ReadWriteOnce and ReadWriteMany only; name a claim with one of these access modes",
        ]),
        ({"rolloutStrategy": "RollingUpdate", **PVC}, {"claim": claim()},
         "ClaimNotShared", ["spec.rolloutStrategy is RollingUpdate", "set it to Recreate"]),
        (S3, {}, "CredentialsMissing", [f"create it: {create_command('registry')}"]),
        (S3, {"secret": Secret()}, "CredentialsMissing", [
            f"with {S3_ACCESS_KEY} and {S3_SECRET_KEY}; add to it: kubectl -n registry patch",
        ]),
        (S3, {"secret": HALF}, "CredentialsMissing",
         [f"with {S3_SECRET_KEY}; add to it"]),
        (WITH_CA, {"secret": KEYS}, "TrustedCAMissing", [
            'spec.storage.s3.trustedCA.name: ConfigMap "storage-ca" does not exist in namespace '
            "ca-namespace; create it: kubectl -n ca-namespace create configmap storage-ca "
            "--from-file=ca-bundle.crt=<pem-file>",
        ]),
        (WITH_CA, {"secret": KEYS, "trusted_ca": ConfigMap(data={"ca.crt": "x"})},
         "TrustedCAInvalid", ['ConfigMap "storage-ca" has "ca.crt", not ca-bundle.crt']),
    ],
)  # fmt: skip
def test_unusable_reference_is_refused_in_strict_mode_else_warned_about(
    spec: dict[str, Any], objects: dict[str, Any], reason: str, texts: list[str]
) -> None:
    strict, tolerant = check(spec, **objects), check(spec, strict=False, **objects)

    assert reasons(strict) == [reason]
    for text in texts:
        assert text in str(strict.violations[0])
    told = strict.violations[0]
    assert tolerant.warnings in ([str(told)], [told.message, told.next_step])
    assert all(len(text) <= MAX_WARNING for text in tolerant.warnings)


def test_claim_in_deletion_is_unusable() -> None:
    leaving = claim()
    leaving.metadata.deletion_timestamp = "2029-12-31T23:59:00Z"

    assert reasons(check(PVC, claim=leaving)) == ["ClaimUnusable"]


@pytest.mark.parametrize(
    ("made_for", "objects", "warned"),
    [
        ({}, {}, 'spec.storage.pvc.claim: PersistentVolumeClaim "images" has been Pending for 60 '
         "minutes, and no StorageClass makes a volume for it; `kubectl -n registry describe pvc"),
        ({"storageClassName": ""}, {}, "no StorageClass makes a volume for it"),
        ({"storageClassName": "fast"}, {"storage_class": storage_class()},
         "has been Pending for 60 minutes; `kubectl -n registry describe pvc"),
        ({"storageClassName": "local"},
         {"storage_class": storage_class(provisioner="kubernetes.io/no-provisioner")},
         "no StorageClass makes a volume for it"),
        ({"storageClassName": "fast"}, {"storage_class": UNREAD}, "has been Pending for 60"),
        ({"storageClassName": "lazy"},
         {"storage_class": storage_class("WaitForFirstConsumer")}, None),
    ],
    ids=["default", "none", "provisioned", "by hand", "unread", "waits for a Pod"],
)  # fmt: skip
def test_pending_claim_gets_a_warning(
    made_for: dict[str, Any], objects: dict[str, Any], warned: str | None
) -> None:
    verdict = check(PVC, claim=claim("Pending", **made_for), **objects)

    assert verdict.allowed
    assert len(verdict.warnings) == (warned is not None)
    assert (warned or "") in "".join(verdict.warnings)


@pytest.mark.parametrize(("seconds", "warnings"), [(119, 0), (120, 1)])
def test_a_claim_may_take_two_minutes_to_be_bound(seconds: int, warnings: int) -> None:
    young = claim("Pending")
    young.metadata.creation_timestamp = (NOW - timedelta(seconds=seconds)).isoformat()

    verdict = check(PVC, claim=young)
    assert verdict.allowed
    assert len(verdict.warnings) == warnings
    assert all("Pending for 2 minutes" in warning for warning in verdict.warnings)


def test_claim_without_a_phase_gets_a_warning() -> None:
    [warning] = check(PVC, claim=claim("")).warnings

    assert "has been Pending for 60 minutes" in warning


def test_a_bound_claim_without_capacity_is_warned_about() -> None:
    bound = claim()
    bound.status.capacity = {}

    assert check(PVC, claim=bound) == Verdict(
        warnings=[
            'spec.storage.pvc.claim: PersistentVolumeClaim "images" is Bound and has no capacity; '
            '`kubectl -n registry describe pvc "images"` says more'
        ]
    )


@pytest.mark.parametrize(
    ("spec", "objects", "subject"),
    [
        (PVC, {"claim": UNREAD}, 'spec.storage.pvc.claim: PersistentVolumeClaim "images"'),
        (S3, {"secret": UNREAD},
         "spec.storage.s3: Secret image-registry-private-configuration-user"),
        (WITH_CA, {"secret": KEYS, "trusted_ca": UNREAD},
         'spec.storage.s3.trustedCA.name: ConfigMap "storage-ca"'),
    ],
)  # fmt: skip
def test_unreadable_reference_is_never_refused(
    spec: dict[str, Any], objects: dict[str, Any], subject: str
) -> None:
    assert check(spec, **objects) == Verdict(
        warnings=[f"{subject} could not be checked: the API server did not answer"]
    )


@pytest.mark.parametrize("unknown", [UNREAD, None], ids=["unread", "missing"])
def test_rolling_update_with_an_unknown_claim_gets_a_warning(unknown: Unread | None) -> None:
    verdict = check({"rolloutStrategy": "RollingUpdate", **PVC}, claim=unknown, strict=False)

    assert "two Pods cannot share a ReadWriteOnce volume" in verdict.warnings[0]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, False),
        ({"logLevel": "Debug"}, False),
        ({"managementState": "Unmanaged"}, False),
        ({"managementState": "Removed"}, False),
        ({"replicas": 2}, True),
        ({"rolloutStrategy": "Recreate"}, True),
        ({"storage": {"pvc": {"claim": "other"}}}, True),
    ],
    ids=str,
)
def test_unrelated_update_passes(change: dict[str, Any], refused: bool) -> None:
    verdict = check({**PVC, **change}, old=PVC)

    assert (reasons(verdict) == ["ClaimMissing"]) is refused
    assert verdict.allowed is not refused


def test_returning_registry_is_checked_again() -> None:
    assert reasons(check(PVC, old={"managementState": "Removed", **PVC})) == ["ClaimMissing"]


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ({"pvc": {"claim": "a"}}, Names(claim="a")),
        ({"pvc": {"claim": "../secrets/x"}}, Names()),
        ({"pvc": {"claim": "<claim>"}}, Names()),
        ({"s3": {"trustedCA": {"name": "a/b"}}},
         Names(secret="image-registry-private-configuration-user")),
        ({"gcs": {}}, Names()),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_names_are_not_read(storage: dict[str, Any], expected: Names) -> None:
    spec = Config.model_validate(config({"storage": storage})).spec

    assert storage_references.names(spec) == expected


def test_warnings_with_the_longest_names_are_not_cut() -> None:
    storage = {"s3": {"bucket": "images", "region": "eu-1", "trustedCA": {"name": "n" * 253}}}
    spec = Config.model_validate(config({"storage": storage})).spec
    found = storage_references.check(spec, referenced()).tolerant()

    assert len(found.warnings) == 4
    assert all(len(text) <= MAX_WARNING for text in found.warnings[:-1])
