"""Faults of a registry's storage, one in each case, with the expected findings."""

from dataclasses import dataclass
from datetime import timedelta

from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, SERVICE, Manifest

from . import snapshots
from .snapshots import bound, created, owned

CLAIM = f"PersistentVolumeClaim {REGISTRY}/image-registry"
POD = f"Pod {REGISTRY}/waiting"
CONFIG = "Config cluster"
TLS = f"Secret {SERVICE}/registry-admission-tls"
WAITING = objects.pod("waiting", "node-2")
DAY = "2025-06-01T00:00:00Z"


@dataclass(frozen=True)
class Case:
    found: tuple[str, ...]
    """`severity Reason object` of every finding."""
    changes: tuple[Manifest, ...] = ()
    words: str = ""
    """A text in the problem or the evidence of the first finding."""
    without: tuple[str, ...] = ()
    """Kinds without objects."""
    later: timedelta = timedelta(0)
    ca_namespace: str = ""


def pending(**spec: object) -> Manifest:
    mode, size = str(spec.pop("mode", "ReadWriteOnce")), str(spec.pop("size", "10Gi"))
    return {**objects.claim(mode, size, **spec), "status": {"phase": "Pending"}}


def event(reason: str, message: str, on: Manifest | None = None) -> Manifest:
    return objects.event(on or WAITING, reason, message)


def attachment(node: str, **status: object) -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "csi-1"},
        "spec": {"nodeName": node, "source": {"persistentVolumeName": "kept"}},
        "status": status,
    }


def node(name: str, ready: str) -> Manifest:
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"conditions": conditions},
    }  # fmt: skip


def storage_quota(used: str) -> Manifest:
    hard = {"requests.storage": "10Gi"}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "storage", "namespace": REGISTRY},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": {"requests.storage": used}},
    }


NO_CLAIM = ("PersistentVolume", "Pod", "Deployment", "ReplicaSet", "PersistentVolumeClaim")
LOCAL = objects.storage_class("local", "kubernetes.io/no-provisioner")
LATE = objects.storage_class("late", "ebs.csi.aws.com", "WaitForFirstConsumer")
DEFAULT = {
    **objects.storage_class("standard", "nfs.example.com"),
    "metadata": {
        "name": "standard",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
}

STORAGE: dict[str, Case] = {
    "claim: missing": Case(
        (f"error ClaimMissing {CLAIM}",), words="PVCs there: none",
        without=("PersistentVolumeClaim",),
    ),
    "claim: missing, and its quota is full": Case(
        (f"error ClaimMissing {CLAIM}",
         f"warning StorageQuotaExhausted ResourceQuota {REGISTRY}/storage"),
        (storage_quota("10Gi"),), "requests.storage, 10Gi of 10Gi",
        without=("PersistentVolumeClaim",),
    ),
    "claim: being deleted": Case(
        (f"error ClaimBeingDeleted {CLAIM}",),
        (created(DAY, {**bound(objects.claim(), volumeName="kept"), "metadata": {
            "name": "image-registry", "namespace": REGISTRY,
            "deletionTimestamp": "2026-01-01T00:00:00Z"}}),), "since 2026-01-01",
    ),
    "claim: lost": Case(
        (f"error ClaimLost {CLAIM}",),
        ({**objects.claim(volumeName="gone"), "status": {"phase": "Lost"}},),
        "PersistentVolume gone, which does not exist",
    ),
    "pending: of a StorageClass that is missing": Case(
        (f"error StorageClassMissing {CLAIM}",), (pending(storageClassName="fast"), DEFAULT),
        "StorageClasses: standard",
    ),
    "pending: without a default StorageClass": Case(
        (f"error NoDefaultStorageClass {CLAIM}",), (pending(), LOCAL), "no default one",
        without=("PersistentVolume",),
    ),
    "pending: with the default StorageClass": Case(
        (f"error ClaimPending {CLAIM}",),
        (pending(), DEFAULT, event("ProvisioningFailed", "pool is full", pending())),
        "event ProvisioningFailed: pool is full",
    ),
    "pending: and nobody says why": Case(
        (f"error ClaimPending {CLAIM}",), (pending(), DEFAULT), "no event says why",
    ),
    "pending: without any class, and no volume": Case(
        (f"error NoVolume {CLAIM}",), (pending(storageClassName=""),), "only a PV without a class",
        without=("PersistentVolume",),
    ),
    "pending: no volume is large enough": Case(
        (f"error NoVolumeFits {CLAIM}",),
        (pending(storageClassName="", size="20Gi"),
         {**objects.volume("kept"), "status": {"phase": "Available"}}),
        "PersistentVolume kept: capacity 10Gi, less than 20Gi",
    ),
    "pending: no volume has the access mode": Case(
        (f"error NoVolumeFits {CLAIM}",),
        (pending(storageClassName="local", mode="ReadWriteMany"), LOCAL,
         objects.volume("disk", "local")),
        "PersistentVolume disk: access mode ReadWriteOnce, not ReadWriteMany",
    ),
    "pending: the volume that it names is another's": Case(
        (f"error NoVolumeFits {CLAIM}",),
        (pending(storageClassName="", volumeName="taken"),
         objects.volume("taken", claimRef={"namespace": "team-a", "name": "data"})),
        "PersistentVolume taken: belongs to team-a/data",
    ),
    "pending: the StorageClass makes no volumes": Case(
        (f"error NoVolume {CLAIM}",), (pending(storageClassName="local"), LOCAL), "none that is",
    ),
    "pending: the provisioner cannot share volumes": Case(
        (f"error AccessModeUnsupported {CLAIM}",),
        (pending(storageClassName="block", mode="ReadWriteMany"),
         objects.storage_class("block", "ebs.csi.aws.com")),
        "cannot provide ReadWriteMany",
    ),
    "pending: until a Pod uses it": Case(
        (f"error WaitsForPod {CLAIM}",), (pending(storageClassName="late"), LATE), "none does",
        without=("Pod",),
    ),
    "pending: larger than the LimitRange allows": Case(
        (f"error ClaimAboveLimitRange {CLAIM}",),
        (pending(storageClassName="standard"), DEFAULT,
         {"apiVersion": "v1", "kind": "LimitRange",
          "metadata": {"name": "small", "namespace": REGISTRY},
          "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]}}),
        "more than LimitRange small allows a PVC (1Gi)",
    ),
    "pending: another claim than the registry's": Case(
        (f"warning StorageClassMissing PersistentVolumeClaim {REGISTRY}/spare",),
        ({**pending(storageClassName="fast"),
          "metadata": {"name": "spare", "namespace": REGISTRY}},),
    ),
    "volume: released": Case(
        ("warning VolumeReleased PersistentVolume former",),
        (owned(objects.volume("former"), "Released"),), "reclaim policy Retain",
    ),
    "volume: failed": Case(
        ("error VolumeFailed PersistentVolume former",),
        (owned(objects.volume("former"), "Failed", reason="VolumeFailedDelete", message="no"),),
        "VolumeFailedDelete: no",
    ),
    "volume: goes with its claim": Case(
        ("info VolumeGoesWithClaim PersistentVolume kept",),
        (created(DAY, owned(objects.volume("kept", persistentVolumeReclaimPolicy="Delete"))),),
    ),
    "mount: refused": Case(
        (f"error MountFailed {POD}",),
        (objects.pod("waiting", "node-1"), event("FailedMount", "mount.nfs: timed out")),
        "event FailedMount: mount.nfs: timed out",
    ),
    "mount: attached elsewhere": Case(
        (f"error VolumeInUseElsewhere {POD}", f"error VolumeOnSeveralNodes {CLAIM}",
         "warning AttachedToLostNode VolumeAttachment csi-1"),
        (WAITING, event("FailedAttachVolume", "Multi-Attach error for volume"),
         attachment("node-1", attached=True), node("node-1", "Unknown"), node("node-2", "True")),
        "PersistentVolume kept is attached to node node-1, which is not ready",
    ),
    "mount: to be attached": Case(
        (f"error AttachFailed {POD}",),
        (objects.pod("waiting", "node-1"), event("FailedAttachVolume", "no answer yet"),
         attachment("node-1", attached=False)),
        "PersistentVolume kept is to be attached to node node-1",
    ),
    "mount: not attached": Case(
        (f"error AttachFailed {POD}",
         "error AttachmentFailed VolumeAttachment csi-1"),
        (objects.pod("waiting", "node-1"), event("FailedAttachVolume", "no such disk"),
         attachment("node-1", attachError={"message": "no such disk"})),
        "event FailedAttachVolume: no such disk",
    ),
    "mount: a failure that is over": Case(
        (), (objects.pod("waiting", "node-1", DAY), event("FailedMount", "timed out")),
    ),
    "mount: the claim is pending": Case(
        (f"error StorageClassMissing {CLAIM}", f"error PodWaitsForClaim {POD}"),
        (pending(storageClassName="fast"), WAITING), without=("Pod",),
    ),
    "emptyDir: holds images": Case(
        (f"warning EmptyDirHoldsImages {CONFIG}",), (objects.config(storage={"emptyDir": {}}),),
        "1 tags", without=NO_CLAIM,
    ),
    "emptyDir: has lost images": Case(
        (f"error EmptyDirLostImages {CONFIG}",),
        (objects.config(storage={"emptyDir": {}}),
         objects.pod("registry", "node-1", "2025-07-01T00:00:00Z", claim="")),
        "1 of 1 tags", without=NO_CLAIM,
    ),
    "emptyDir: holds nothing": Case(
        (), (objects.config(storage={"emptyDir": {}}), objects.quota(
            {"alauda.io/image-tags": "0"}, image_tags="5")),
        without=(*NO_CLAIM, "ImageStream"),
    ),
    "storage: is not the one that the operator set up": Case(
        (f"warning StorageChanged {CONFIG}",),
        ({**objects.on_claim(), "status": {"storage": {"emptyDir": {}}}},),
        "changes from emptyDir to pvc",
    ),
    "storage: the Pods before had another": Case(
        (f"warning StorageChanged {CONFIG}",),
        (snapshots.replica_set("old", "2025-05-01T00:00:00Z", volumes=[
            {"name": "registry-storage", "emptyDir": {}}]),
         snapshots.replica_set("image-registry-1", "2025-07-01T00:00:00Z")),
        "had emptyDir (ReplicaSet old) and have pvc image-registry now",
    ),
    "storage: changed before the first push": Case(
        (), (snapshots.replica_set("old", "2025-05-01T00:00:00Z", volumes=[
            {"name": "registry-storage", "emptyDir": {}}]),),
    ),
    "storage: the volume is younger than its images": Case(
        (f"warning ImagesOlderThanVolume {CLAIM}",),
        (created("2025-08-01T00:00:00Z", bound(objects.claim(), volumeName="kept")),
         created("2025-08-01T00:00:00Z", owned(objects.volume("kept")))), "1 of 1 tags",
    ),
    "storage: the claim is younger than its volume": Case(
        (), (created("2025-08-01T00:00:00Z", bound(objects.claim(), volumeName="kept")),),
    ),
    "storage: the images that are older are in another registry": Case(
        (),
        (created("2025-08-01T00:00:00Z", bound(objects.claim(), volumeName="kept")),
         created("2025-08-01T00:00:00Z", owned(objects.volume("kept"))),
         objects.stream("app", {"v1": snapshots.DIGEST}, DAY, host="quay.example.com")),
    ),
}  # fmt: skip
