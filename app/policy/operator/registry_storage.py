"""Checks of `spec.storage`, where the registry keeps its images."""

import json
import shlex
from typing import Any

from app.model.domain import ApiDomain
from app.model.registry import BackendStorage, ConfigSpec, Storage
from app.policy.names import is_subdomain, nearest, placeholders
from app.policy.operator import s3_storage
from app.policy.operator.field_checks import check_choice, close_to, shown
from app.policy.verdict import Verdict

_BACKENDS = {
    "azure": "azure",
    "emptydir": "emptyDir",
    "gc": "gcs",
    "ibmco": "ibmcos",
    "managementstate": "managementState",
    "os": "oss",
    "persistentvolumeclaim": "pvc",
    "pvc": "pvc",
    "s3": "s3",
    "swift": "swift",
}
"""The fields of spec.storage, by the spellings that `nearest` compares."""
_SIMILAR = 0.7


def check(
    spec: ConfigSpec,
    old: ConfigSpec | None,
    *,
    domain: ApiDomain,
    namespace: str,
    claim_known: bool = False,
) -> Verdict:
    """Check the storage alone. `old` is the spec before an update; `namespace`: the registry's.

    `claim_known`: another check compares the Pods with the access modes of the claim.
    """
    verdict = Verdict()
    storage = spec.storage
    check_choice(
        verdict,
        "UnknownManagementState",
        "spec.storage.managementState",
        storage.management_state,
        ("Managed", "Unmanaged"),
    )
    _check_unknown_fields(verdict, storage)
    _check_backends(verdict, storage, old.storage if old else None, domain)
    _check_replicas(verdict, spec)
    if not claim_known:
        _check_rollout(verdict, spec)
    _check_claim(verdict, storage, namespace)
    if old is not None:
        _check_inherited_state(verdict, storage, old.storage)
    if storage.s3 is not None:
        s3_storage.check(verdict, storage.s3, spec.disable_redirect, domain)
    return verdict


def _check_unknown_fields(verdict: Verdict, storage: Storage) -> None:
    for name in storage.unknown:
        _ignored(verdict, "spec.storage", name, nearest(name, _BACKENDS))
    checked: dict[str, BackendStorage | None] = {"pvc": storage.pvc, "s3": storage.s3}
    for field, backend in checked.items():
        if backend is None:
            continue
        for name in backend.unknown:
            # Newer operators may have other fields.
            if meant := close_to(name, backend.known, _SIMILAR):
                _ignored(verdict, f"spec.storage.{field}", name, meant)


def _ignored(verdict: Verdict, path: str, name: str, meant: str | None) -> None:
    hint = f": did you mean {meant}?" if meant else ""
    verdict.warn(f"{path} has no field {shown(name)}, and the operator ignores it{hint}")


def _check_backends(
    verdict: Verdict, storage: Storage, old: Storage | None, domain: ApiDomain
) -> None:
    backends = storage.backends
    if len(backends) < 2:
        return
    *others, last = backends
    count = "two" if len(backends) == 2 else str(len(backends))
    verdict.deny(
        "TwoStorageBackends",
        f"spec.storage has {count} backends, {', '.join(others)} and {last}",
        f"keep one: {_keep_one(backends, old, domain)}",
    )


def _keep_one(backends: dict[str, Any], old: Storage | None, domain: ApiDomain) -> str:
    """The change that was probably meant: to the backend that is new."""
    if old is None:
        return "remove the others from the manifest"
    present = old.backends
    keep = [name for name in backends if name not in present] or list(backends)
    wanted = {name: content if name == keep[-1] else None for name, content in backends.items()}
    patch = json.dumps({"spec": {"storage": wanted}}, separators=(",", ":"))
    resource = f"configs.{domain.operator_group}"
    return f"kubectl patch {resource} cluster --type=merge -p {shlex.quote(patch)}"


def _check_inherited_state(verdict: Verdict, storage: Storage, old: Storage) -> None:
    """A patch that adds a claim or a bucket keeps the management state of the previous storage."""
    brought = storage.default_management_state == "Unmanaged"
    inherited = storage.management_state == old.management_state == "Managed"
    if brought and inherited and not storage.backends.keys() <= old.backends.keys():
        verdict.warn(
            "spec.storage.managementState is still Managed, and managed storage is deleted with "
            "the registry: set it to Unmanaged for a claim or bucket of your own"
        )


def _check_replicas(verdict: Verdict, spec: ConfigSpec) -> None:
    replicas = 1 if spec.replicas is None else spec.replicas
    if spec.storage.empty_dir is not None and replicas > 1:
        verdict.deny(
            "EmptyDirWithReplicas",
            f"spec.replicas is {replicas}, and every Pod would have an emptyDir of its own",
            "set spec.replicas to 1, or choose storage that Pods share, such as s3",
        )


def _check_rollout(verdict: Verdict, spec: ConfigSpec) -> None:
    if spec.storage.pvc is None:
        return
    replicas = 1 if spec.replicas is None else spec.replicas
    if replicas > 1:
        verdict.warn(
            f"spec.replicas is {replicas}, and several Pods can share a ReadWriteMany volume only: "
            "set it to 1 unless the PVC is ReadWriteMany"
        )
    elif replicas == 1 and spec.rollout_strategy == "RollingUpdate":
        verdict.warn(
            "spec.rolloutStrategy is RollingUpdate, and two Pods cannot share a ReadWriteOnce "
            "volume: set it to Recreate unless the PVC is ReadWriteMany"
        )


def _check_claim(verdict: Verdict, storage: Storage, namespace: str) -> None:
    claim = storage.pvc.claim if storage.pvc else ""
    if claim and not is_subdomain(claim) and not placeholders(claim):
        verdict.deny(
            "InvalidClaimName",
            f"spec.storage.pvc.claim is {shown(claim)}, which no PVC can be named",
            f"set it to a name that `kubectl -n {namespace} get pvc` lists",
        )
