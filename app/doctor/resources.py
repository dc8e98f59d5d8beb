"""The kinds that `doctor` reads, their API paths, and the scopes that it needs."""

from dataclasses import dataclass

from app.doctor.snapshot import Scope
from app.doctor.webhooks import SERVED
from app.doctor.workloads import SERVICE
from app.migration.legacy_config import KEY_NAMESPACES
from app.model.base import KubeObject
from app.model.core import ConfigMap, Secret
from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.legacy import LEGACY_NAMES
from app.model.limits import LimitRange, ResourceQuota
from app.model.registry import ImagePruner, OperatedConfig
from app.model.stored import APIService, Event
from app.model.stream import ImageStream
from app.model.volumes import (
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
    VolumeAttachment,
)
from app.model.webhooks import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from app.model.workloads import Deployment, EndpointSlice, Node, Pod, ReplicaSet

_ADMISSION = "admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class Resource:
    """A kind with its API version and plural."""

    model: type[KubeObject]
    kind: str
    api_version: str
    plural: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def full_name(self) -> str:
        """The unambiguous name for kubectl: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, scope: Scope) -> str:
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        namespace = f"/namespaces/{scope.namespace}" if scope.namespace else ""
        return f"{root}{namespace}/{self.plural}"


def resources(domain: ApiDomain) -> list[Resource]:
    """Every kind that `doctor` reads."""
    image, operator = f"{domain.image_group}/v1", f"{domain.operator_group}/v1"
    rows: list[tuple[type[KubeObject], str, str]] = [
        (PersistentVolumeClaim, "v1", "persistentvolumeclaims"),
        (PersistentVolume, "v1", "persistentvolumes"),
        (StorageClass, "storage.k8s.io/v1", "storageclasses"),
        (VolumeAttachment, "storage.k8s.io/v1", "volumeattachments"),
        (Node, "v1", "nodes"),
        (Pod, "v1", "pods"),
        (Event, "v1", "events"),
        (ConfigMap, "v1", "configmaps"),
        (Secret, "v1", "secrets"),
        (LimitRange, "v1", "limitranges"),
        (ResourceQuota, "v1", "resourcequotas"),
        (Deployment, "apps/v1", "deployments"),
        (ReplicaSet, "apps/v1", "replicasets"),
        (EndpointSlice, "discovery.k8s.io/v1", "endpointslices"),
        (ValidatingWebhookConfiguration, _ADMISSION, "validatingwebhookconfigurations"),
        (MutatingWebhookConfiguration, _ADMISSION, "mutatingwebhookconfigurations"),
        (APIService, "apiregistration.k8s.io/v1", "apiservices"),
        (OperatedConfig, operator, "configs"),
        (ImagePruner, operator, "imagepruners"),
        (ImageStream, image, "imagestreams"),
        (Image, image, "images"),
    ]
    return [
        Resource(model, _kind(model), api_version, plural) for model, api_version, plural in rows
    ]


def scopes(
    domain: ApiDomain, registry: str, service: str, namespaces: frozenset[str], ca: str = ""
) -> list[Scope]:
    """The scopes to read from a cluster. Images are read only where their size is limited.

    `registry`, `service` and `ca` are the namespaces of the registry, of this service and of the
    CA bundle. Secrets are read by name, so `doctor` needs no right to read other Secrets.
    """
    tenants = sorted({*namespaces, registry}) if namespaces else [""]
    return [
        *(Scope(model) for model in (PersistentVolume, StorageClass, VolumeAttachment, Node)),
        *(
            Scope(model, registry)
            for model in (PersistentVolumeClaim, Pod, Event, Deployment, ReplicaSet)
        ),
        *(Scope(model, service) for model in (Deployment, EndpointSlice)),
        *(
            Scope(Secret, registry, f"image-registry-private-configuration{suffix}")
            for suffix in ("", "-user")
        ),
        Scope(Secret, service, SERVED),
        *(Scope(ConfigMap, "", name) for name in LEGACY_NAMES),
        *(Scope(ConfigMap, name) for name in dict.fromkeys((*KEY_NAMESPACES, ca or registry))),
        *(
            Scope(model, namespace)
            for model in (LimitRange, ResourceQuota, ImageStream)
            for namespace in tenants
        ),
        Scope(APIService, "", f"v1.{domain.image_group}"),
        Scope(OperatedConfig, "", "cluster"),
        Scope(ImagePruner, "", "cluster"),
    ]


WEBHOOKS = (
    Scope(ValidatingWebhookConfiguration, "", SERVICE),
    Scope(MutatingWebhookConfiguration, "", SERVICE),
)
"""Read first: they name the service's namespace."""


def _kind(model: type[KubeObject]) -> str:
    """The `kind` field of a model, or the name of its class."""
    return str(model.model_fields["kind"].default) or model.__name__
