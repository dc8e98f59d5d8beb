"""Checks of the objects that Config/cluster refers to: claim, credentials and CA of its storage.

Every finding is something with which the operator could not work now. The caller decides whether to
refuse, because the objects may be created later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.model import credentials
from app.model.core import ConfigMap, Secret
from app.model.credentials import S3_KEYS
from app.model.registry import ConfigSpec
from app.model.volumes import PersistentVolumeClaim, StorageClass
from app.policy.names import is_subdomain
from app.policy.operator import trusted_ca
from app.policy.operator.field_checks import shown
from app.policy.verdict import Verdict

_CLAIM = "spec.storage.pvc.claim"
_TRUSTED_CA = "spec.storage.s3.trustedCA.name"
_LONG_PENDING = timedelta(minutes=2)


@dataclass(frozen=True)
class Unread:
    """Why an object could not be read."""

    why: str


@dataclass(frozen=True)
class Referenced:
    """The objects that a Config refers to, as they are now; None for an object that does not
    exist."""

    namespace: str
    """The namespace of the registry."""
    ca_namespace: str
    now: datetime
    claim: PersistentVolumeClaim | Unread | None = None
    storage_class: StorageClass | Unread | None = None
    """The class of the claim."""
    secret: Secret | Unread | None = None
    trusted_ca: ConfigMap | Unread | None = None


@dataclass(frozen=True)
class Names:
    """The names of the objects to read; "" where a Config refers to nothing that can exist."""

    claim: str = ""
    secret: str = ""
    trusted_ca: str = ""


def names(spec: ConfigSpec) -> Names:
    """The names in a Config. A removed registry needs nothing, and managed storage creates its
    claim."""
    storage = spec.storage
    if spec.management_state == "Removed":
        return Names()
    claim = storage.pvc.claim if storage.pvc and not storage.is_managed else ""
    ca = storage.s3.trusted_ca.name if storage.s3 else ""
    return Names(
        claim if is_subdomain(claim) else "",
        credentials.SECRET if storage.s3 else "",
        ca if is_subdomain(ca) else "",
    )


def check(spec: ConfigSpec, referenced: Referenced) -> Verdict:
    """Check the objects that a Config refers to."""
    verdict, named = Verdict(), names(spec)
    if named.claim:
        _check_claim(verdict, spec, named.claim, referenced)
    if named.secret:
        _check_secret(verdict, referenced)
    if named.trusted_ca:
        _check_trusted_ca(verdict, named.trusted_ca, referenced)
    return verdict


def _check_claim(verdict: Verdict, spec: ConfigSpec, name: str, referenced: Referenced) -> None:
    claim, title = referenced.claim, f"PersistentVolumeClaim {shown(name)}"
    if isinstance(claim, Unread):
        _not_checked(verdict, f"{_CLAIM}: {title}", claim)
        return
    if claim is None:
        verdict.deny(
            "ClaimMissing",
            f"{_CLAIM}: {title} does not exist in namespace {referenced.namespace}",
            f"create it, or name one of `kubectl -n {referenced.namespace} get pvc`",
        )
        return
    describe = f"`kubectl -n {referenced.namespace} describe pvc {shown(name)}` says more"
    if problem := _unusable(claim):
        verdict.deny("ClaimUnusable", f"{_CLAIM}: {title} {problem}", describe)
    elif claim.status.phase == "Bound" and not claim.status.capacity.get("storage"):
        verdict.warn(f"{_CLAIM}: {title} is Bound and has no capacity; {describe}")
    elif claim.status.phase in ("", "Pending"):
        _check_pending(verdict, claim, f"{_CLAIM}: {title}", describe, referenced)
    _check_access(verdict, spec, claim, title)


def _unusable(claim: PersistentVolumeClaim) -> str:
    if claim.metadata.deletion_timestamp is not None:
        return "is being deleted"
    if claim.status.phase == "Lost":
        return "is Lost: its volume is gone"
    if claim.spec.volume_mode == "Block":
        return "is a block device (volumeMode Block), and the registry needs a file system"
    return ""


def _check_pending(
    verdict: Verdict,
    claim: PersistentVolumeClaim,
    subject: str,
    describe: str,
    referenced: Referenced,
) -> None:
    """A new claim, or one whose volume waits for a Pod, is as it should be."""
    name, storage_class = claim.spec.storage_class_name, referenced.storage_class
    if claim.spec.volume_name:
        return
    if name and storage_class is None:
        verdict.deny(
            "StorageClassMissing",
            f"{subject} is Pending: StorageClass {shown(name)} does not exist",
            "create the claim again with one of `kubectl get storageclass`",
        )
        return
    if isinstance(storage_class, StorageClass) and storage_class.waits_for_pods:
        return
    if claim.created is None or referenced.now - claim.created < _LONG_PENDING:
        return
    minutes = (referenced.now - claim.created) // timedelta(minutes=1)
    by_hand = not name or (isinstance(storage_class, StorageClass) and not storage_class.provisions)
    why = ", and no StorageClass makes a volume for it" if by_hand else ""
    verdict.warn(f"{subject} has been Pending for {minutes} minutes{why}; {describe}")


def _check_access(
    verdict: Verdict, spec: ConfigSpec, claim: PersistentVolumeClaim, title: str
) -> None:
    modes = claim.access_modes
    if not modes or "ReadWriteMany" in modes:
        return
    replicas = 1 if spec.replicas is None else spec.replicas
    if not any(mode.startswith("ReadWrite") for mode in modes):
        verdict.deny(
            "ClaimReadOnly",
            f"{title} is {', '.join(modes)}, and the registry writes to it",
            "name a claim with access mode ReadWriteOnce or ReadWriteMany",
        )
    elif "ReadWriteOnce" not in modes:
        verdict.deny(
            "ClaimModeUnsupported",
            f"{title} is {', '.join(modes)}, and the operator takes ReadWriteOnce and "
            "ReadWriteMany only",
            "name a claim with one of these access modes",
        )
    elif replicas > 1:
        verdict.deny(
            "ClaimNotShared",
            f"spec.replicas is {replicas}, and {title} is {', '.join(modes)}",
            "set spec.replicas to 1, or name a claim with access mode ReadWriteMany",
        )
    elif spec.rollout_strategy == "RollingUpdate":
        verdict.deny(
            "ClaimNotShared",
            f"spec.rolloutStrategy is RollingUpdate, and {title} is {', '.join(modes)}: the new "
            "Pod may wait for the old one's volume",
            "set it to Recreate, or name a ReadWriteMany claim",
        )


def _check_secret(verdict: Verdict, referenced: Referenced) -> None:
    secret, title = referenced.secret, f"Secret {credentials.SECRET}"
    if isinstance(secret, Unread):
        _not_checked(verdict, f"spec.storage.s3: {title}", secret)
        return
    missing = [key for key in S3_KEYS if secret is None or not secret.filled.get(key)]
    if not missing:
        return
    if secret is None:
        verdict.deny(
            "CredentialsMissing",
            f"spec.storage.s3 needs {title}, which does not exist",
            f"create it: {credentials.create_command(referenced.namespace)}",
        )
    else:
        verdict.deny(
            "CredentialsMissing",
            f"spec.storage.s3 needs {title} with {' and '.join(missing)}",
            f"add to it: {credentials.patch_command(referenced.namespace)}",
        )


def _check_trusted_ca(verdict: Verdict, name: str, referenced: Referenced) -> None:
    config_map, title = referenced.trusted_ca, f"ConfigMap {shown(name)}"
    if isinstance(config_map, Unread):
        _not_checked(verdict, f"{_TRUSTED_CA}: {title}", config_map)
        return
    namespace = referenced.ca_namespace
    command = (
        f"kubectl -n {namespace} create configmap {name} --from-file={trusted_ca.KEY}=<pem-file>"
    )
    if config_map is None:
        verdict.deny(
            "TrustedCAMissing",
            f"{_TRUSTED_CA}: {title} does not exist in namespace {namespace}",
            f"create it: {command}",
        )
        return
    replace = f"put the storage's CA into it as {trusted_ca.KEY}"
    verdict.include(trusted_ca.check(config_map, title, replace, referenced.now))


def _not_checked(verdict: Verdict, subject: str, unread: Unread) -> None:
    verdict.warn(f"{subject} could not be checked: {unread.why}")
