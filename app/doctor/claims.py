"""The registry's PVCs: missing, pending, lost or about to be deleted."""

from collections.abc import Iterator

from app.doctor import pending
from app.doctor.finding import Finding, Severity, listed, title
from app.doctor.snapshot import NotReadError, Snapshot
from app.model.limits import ResourceQuota
from app.model.volumes import PersistentVolume, PersistentVolumeClaim

_OPERATORS_CLAIM = "image-registry-storage"
"""The name of the claim that the operator creates."""
_STORAGE_QUOTAS = ("persistentvolumeclaims", "requests.storage")


def check(snapshot: Snapshot) -> Iterator[Finding]:
    """Check every claim of the registry. The one that Config/cluster names must exist."""
    namespace = snapshot.registry_namespace
    claims = snapshot.all(PersistentVolumeClaim, namespace)
    wanted = registry_claim(snapshot)
    if wanted and all(claim.name != wanted for claim in claims):
        yield _missing(snapshot, wanted, [claim.name for claim in claims])
    for claim in claims:
        severity: Severity = "error" if wanted in ("", claim.name) else "warning"
        if claim.metadata.deletion_timestamp:
            yield _terminating(claim, severity)
        if claim.status.phase == "Pending":
            yield from pending.findings(snapshot, claim, severity)
        elif claim.status.phase == "Lost":
            yield _lost(snapshot, claim, severity)


def check_quotas(snapshot: Snapshot) -> Iterator[Finding]:
    """Report ResourceQuotas that leave no storage for the registry's namespace."""
    namespace = snapshot.registry_namespace
    for quota in snapshot.all(ResourceQuota, namespace):
        for name, hard in quota.status.hard.items():
            used = quota.status.used.get(name)
            if _limits_storage(name) and used is not None and used >= hard:
                yield Finding(
                    "warning",
                    "StorageQuotaExhausted",
                    quota.title,
                    f"{name} is used up ({used} of {hard}), so no further PVC is admitted there "
                    "and none can grow",
                    (f"kubectl -n {namespace} describe resourcequota {quota.metadata.name}",),
                )


def registry_claim(snapshot: Snapshot) -> str:
    """The claim that Config/cluster names; "" if there is none or Config/cluster is not known."""
    try:
        config = snapshot.config
    except NotReadError:
        return ""
    if config is None or config.spec.storage.pvc is None:
        return ""
    return config.spec.storage.pvc.claim or _OPERATORS_CLAIM


def _limits_storage(name: str) -> bool:
    return name in _STORAGE_QUOTAS or name.endswith(
        tuple(f".storageclass.storage.k8s.io/{resource}" for resource in _STORAGE_QUOTAS)
    )


def _missing(snapshot: Snapshot, claim: str, present: list[str]) -> Finding:
    namespace = snapshot.registry_namespace
    quotas = [
        f"ResourceQuota {quota.metadata.name}: {name}, {quota.status.used.get(name, 0)} of {hard}"
        for quota in snapshot.known(ResourceQuota, namespace)
        for name, hard in quota.status.hard.items()
        if _limits_storage(name)
    ]
    return Finding(
        "error",
        "ClaimMissing",
        title("PersistentVolumeClaim", claim, namespace),
        "Config cluster stores images in this PVC, and it does not exist",
        (
            f"kubectl -n {namespace} get pvc",
            f"kubectl get pv   # a Released volume may hold the images of {claim}",
        ),
        (f"PVCs there: {listed(present) or 'none'}", *quotas),
        concerns_data=True,
    )


def _terminating(claim: PersistentVolumeClaim, severity: Severity) -> Finding:
    namespace, name = claim.metadata.namespace, claim.name
    return Finding(
        severity,
        "ClaimBeingDeleted",
        claim.title,
        f"it is being deleted since {claim.metadata.deletion_timestamp} and goes as soon as no "
        "Pod uses it",
        (
            f"kubectl -n {namespace} describe pvc {name}   # Used By, and its volume",
            "copy the images to other storage before the last Pod that uses it ends",
        ),
        concerns_data=True,
    )


def _lost(snapshot: Snapshot, claim: PersistentVolumeClaim, severity: Severity) -> Finding:
    volume = claim.spec.volume_name
    gone = all(item.name != volume for item in snapshot.all(PersistentVolume))
    what = "which does not exist" if gone else "which is not bound to it any more"
    return Finding(
        severity,
        "ClaimLost",
        claim.title,
        f"it is Lost: it was bound to PersistentVolume {volume}, {what}",
        (
            f"kubectl -n {claim.metadata.namespace} describe pvc {claim.name}",
            "kubectl get pv",
        ),
        tuple(map(str, snapshot.events_of(claim)[:3])),
        concerns_data=True,
    )
