"""Why a PVC is pending: StorageClass, access mode, capacity, no Pod yet, or events."""

from collections.abc import Iterator

from app.doctor.finding import Finding, Severity, listed
from app.doctor.snapshot import Snapshot
from app.model.limits import LimitRange
from app.model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from app.model.workloads import Pod

_ONE_NODE_PROVISIONERS = frozenset(
    {
        "cinder.csi.openstack.org",
        "disk.csi.azure.com",
        "ebs.csi.aws.com",
        "kubernetes.io/aws-ebs",
        "kubernetes.io/azure-disk",
        "kubernetes.io/cinder",
        "kubernetes.io/gce-pd",
        "kubernetes.io/vsphere-volume",
        "pd.csi.storage.gke.io",
        "rancher.io/local-path",
        "rbd.csi.ceph.com",
        "topolvm.io",
    }
)
"""Provisioners of block and local storage. One node at a time can mount its file system."""
_MANY_NODES = ("ReadWriteMany", "ReadOnlyMany")
_MAX_EVENTS = 3


def findings(
    snapshot: Snapshot, claim: PersistentVolumeClaim, severity: Severity
) -> Iterator[Finding]:
    """One finding for each known cause; else one finding that quotes the events."""
    events = tuple(map(str, snapshot.events_of(claim)[:_MAX_EVENTS]))
    facts = (
        f"asks for {claim.request}, {', '.join(claim.spec.access_modes)}, "
        f"storageClassName {_class_shown(claim.spec.storage_class_name)}"
    )
    namespace, name = claim.metadata.namespace, claim.name
    describe = f"kubectl -n {namespace} describe pvc {name}"
    causes = list(_causes(snapshot, claim)) or [
        (
            "ClaimPending",
            "it is Pending"
            + ("" if events else ", and no event says why: does a provisioner run?"),
            "kubectl get storageclass,csidrivers",
            (),
        )
    ]
    for reason, problem, command, evidence in causes:
        yield Finding(
            severity, reason, claim.title, problem, (command, describe),
            (facts, *evidence, *events), concerns_data=True,
        )  # fmt: skip


Cause = tuple[str, str, str, tuple[str, ...]]
"""Reason, problem, command and evidence."""


def _causes(snapshot: Snapshot, claim: PersistentVolumeClaim) -> Iterator[Cause]:
    yield from _too_large_for_limit_range(snapshot, claim)
    if claim.spec.volume_name:
        yield from _bound_in_advance(snapshot, claim)
        return
    classes = snapshot.all(StorageClass)
    chosen = _class_of(claim, classes)
    if chosen is None:
        unfit = list(_unfit_volumes(snapshot, claim))
        yield from _no_class(claim, classes, unfit)
        if unfit:
            yield _no_volume_fits(unfit)
    elif not chosen.provisions:
        unfit = list(_unfit_volumes(snapshot, claim))
        if unfit:
            yield _no_volume_fits(unfit)
        else:
            yield from _waits_for_pod(snapshot, claim, chosen)
            yield (
                "NoVolume",
                f"StorageClass {chosen.name} makes no volumes ({chosen.provisioner}), and there "
                "is none that is free",
                "kubectl get pv",
                (),
            )
    else:
        yield from _access_mode_unsupported(claim, chosen)
        yield from _waits_for_pod(snapshot, claim, chosen)


def _class_of(claim: PersistentVolumeClaim, classes: list[StorageClass]) -> StorageClass | None:
    name = claim.spec.storage_class_name
    if name is None:
        return next((item for item in classes if item.is_default), None)
    return next((item for item in classes if item.name == name), None)


def _class_shown(name: str | None) -> str:
    return "not set" if name is None else name or '""'


def _no_class(
    claim: PersistentVolumeClaim, classes: list[StorageClass], unfit: list[str]
) -> Iterator[Cause]:
    name = claim.spec.storage_class_name
    present = (f"StorageClasses: {listed([item.name for item in classes]) or 'none'}",)
    if name is None:
        yield (
            "NoDefaultStorageClass",
            "it is Pending: it names no StorageClass, and the cluster has no default one",
            "kubectl get storageclass",
            present,
        )
    elif name:
        yield (
            "StorageClassMissing",
            f"it is Pending: StorageClass {name} does not exist",
            "kubectl get storageclass",
            present,
        )
    elif not unfit:
        yield (
            "NoVolume",
            'it is Pending: with storageClassName "" only a PV without a class fits, and there '
            "is none that is free",
            "kubectl get pv",
            present,
        )


def _unfit_volumes(snapshot: Snapshot, claim: PersistentVolumeClaim) -> Iterator[str]:
    """For each volume of the claim's class, the reason why it does not fit."""
    for volume in snapshot.all(PersistentVolume):
        if volume.spec.storage_class_name == (claim.spec.storage_class_name or ""):
            problems = list(_mismatches(volume, claim))
            if problems:
                yield f"PersistentVolume {volume.name}: {'; '.join(problems)}"


def _mismatches(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Iterator[str]:
    owner = volume.spec.claim_ref
    if owner and (owner.namespace, owner.name) != (claim.metadata.namespace, claim.name):
        yield f"belongs to {owner.namespace}/{owner.name}"
        return
    if volume.status.phase not in ("Available", "Pending", ""):
        yield f"is {volume.status.phase}"
    missing = [mode for mode in claim.spec.access_modes if mode not in volume.spec.access_modes]
    if missing:
        yield f"access mode {', '.join(volume.spec.access_modes)}, not {', '.join(missing)}"
    if volume.capacity < claim.request:
        yield f"capacity {volume.capacity}, less than {claim.request}"
    if volume.spec.volume_mode != claim.spec.volume_mode:
        yield f"volumeMode {volume.spec.volume_mode}, not {claim.spec.volume_mode}"


def _no_volume_fits(unfit: list[str]) -> Cause:
    return "NoVolumeFits", "it is Pending: no PV fits it", "kubectl get pv", tuple(unfit[:10])


def _bound_in_advance(snapshot: Snapshot, claim: PersistentVolumeClaim) -> Iterator[Cause]:
    """Report why the volume that the claim names does not bind."""
    name = claim.spec.volume_name
    volume = snapshot.find(PersistentVolume, name)
    problems = ["does not exist"] if volume is None else list(_mismatches(volume, claim))
    if volume and volume.spec.storage_class_name != (claim.spec.storage_class_name or ""):
        its = _class_shown(volume.spec.storage_class_name)
        problems.append(
            f"storageClassName {its}, not {_class_shown(claim.spec.storage_class_name)}"
        )
    if problems:
        yield (
            "NoVolumeFits",
            f"it is Pending: it names PersistentVolume {name}, which does not fit it",
            f"kubectl get pv {name} -o yaml",
            (f"PersistentVolume {name}: {'; '.join(problems)}",),
        )


def _access_mode_unsupported(claim: PersistentVolumeClaim, chosen: StorageClass) -> Iterator[Cause]:
    modes = [mode for mode in claim.spec.access_modes if mode in _MANY_NODES]
    if modes and claim.spec.volume_mode != "Block" and chosen.provisioner in _ONE_NODE_PROVISIONERS:
        yield (
            "AccessModeUnsupported",
            f"it is Pending: StorageClass {chosen.name} ({chosen.provisioner}) cannot provide "
            f"{', '.join(modes)}",
            f"kubectl get storageclass {chosen.name} -o yaml",
            ("ReadWriteOnce with one replica works there, and so does a class of shared storage",),
        )


def _waits_for_pod(
    snapshot: Snapshot, claim: PersistentVolumeClaim, chosen: StorageClass
) -> Iterator[Cause]:
    if not chosen.waits_for_pods:
        return
    namespace = claim.metadata.namespace
    if not any(claim.name in pod.spec.claims for pod in snapshot.all(Pod, namespace)):
        yield (
            "WaitsForPod",
            f"it is Pending until a Pod uses it (StorageClass {chosen.name} has "
            "WaitForFirstConsumer), and none does",
            f"kubectl -n {namespace} get deployments,pods",
            (),
        )


def _too_large_for_limit_range(snapshot: Snapshot, claim: PersistentVolumeClaim) -> Iterator[Cause]:
    """Report that a LimitRange now forbids the size of the claim."""
    for limit_range in snapshot.known(LimitRange, claim.metadata.namespace):
        for item in limit_range.spec.limits:
            most = item.max.get("storage")
            if item.type == "PersistentVolumeClaim" and most is not None and most < claim.request:
                yield (
                    "ClaimAboveLimitRange",
                    f"it asks for {claim.request}, more than LimitRange "
                    f"{limit_range.metadata.name} allows a PVC ({most})",
                    f"kubectl -n {claim.metadata.namespace} describe limitrange",
                    (),
                )
