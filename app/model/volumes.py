"""PersistentVolumeClaims, PersistentVolumes and StorageClasses."""

from pydantic import Field

from app.model.base import KubeModel
from app.model.quantity import Quantity
from app.model.stored import ObjectReference, StoredObject

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


class ClaimResources(KubeModel):
    requests: dict[str, Quantity] = Field(default_factory=dict)


class ClaimSpec(KubeModel):
    access_modes: list[str] = Field(default_factory=list)
    resources: ClaimResources = Field(default_factory=ClaimResources)
    storage_class_name: str | None = None
    """None: the default class. "": no class, so that only a volume without a class fits."""
    volume_name: str = ""
    volume_mode: str = "Filesystem"


class Phase(KubeModel):
    phase: str = ""
    reason: str = ""
    message: str = ""


class ClaimStatus(Phase):
    access_modes: list[str] = Field(default_factory=list)
    capacity: dict[str, Quantity] = Field(default_factory=dict)


class PersistentVolumeClaim(StoredObject):
    kind: str = "PersistentVolumeClaim"
    spec: ClaimSpec = Field(default_factory=ClaimSpec)
    status: ClaimStatus = Field(default_factory=ClaimStatus)

    @property
    def access_modes(self) -> list[str]:
        """The access modes of the volume, once there is one."""
        return self.status.access_modes or self.spec.access_modes

    @property
    def request(self) -> Quantity:
        return self.spec.resources.requests.get("storage", Quantity.of_bytes(0))


class VolumeSpec(KubeModel):
    capacity: dict[str, Quantity] = Field(default_factory=dict)
    access_modes: list[str] = Field(default_factory=list)
    claim_ref: ObjectReference | None = None
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    persistent_volume_reclaim_policy: str = ""


class PersistentVolume(StoredObject):
    kind: str = "PersistentVolume"
    spec: VolumeSpec = Field(default_factory=VolumeSpec)
    status: Phase = Field(default_factory=Phase)

    @property
    def capacity(self) -> Quantity:
        return self.spec.capacity.get("storage", Quantity.of_bytes(0))


class StorageClass(StoredObject):
    kind: str = "StorageClass"
    provisioner: str = ""
    volume_binding_mode: str = "Immediate"

    @property
    def is_default(self) -> bool:
        return self.metadata.annotations.get(_DEFAULT_CLASS) == "true"

    @property
    def provisions(self) -> bool:
        """Whether the class creates volumes. Otherwise an administrator has to create them."""
        return self.provisioner != NO_PROVISIONER

    @property
    def waits_for_pods(self) -> bool:
        """Whether it is normal that a claim is Pending until a Pod uses it."""
        return self.volume_binding_mode == "WaitForFirstConsumer"


class AttachmentError(KubeModel):
    message: str = ""


class AttachmentSource(KubeModel):
    persistent_volume_name: str = ""


class AttachmentSpec(KubeModel):
    node_name: str = ""
    source: AttachmentSource = Field(default_factory=AttachmentSource)


class AttachmentStatus(KubeModel):
    attached: bool = False
    attach_error: AttachmentError | None = None
    detach_error: AttachmentError | None = None


class VolumeAttachment(StoredObject):
    kind: str = "VolumeAttachment"
    spec: AttachmentSpec = Field(default_factory=AttachmentSpec)
    status: AttachmentStatus = Field(default_factory=AttachmentStatus)
