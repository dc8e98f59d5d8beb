"""Reads single objects by name when a decision needs them."""

from typing import Protocol, TypeVar

from pydantic import ValidationError

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.manifests import Manifest
from app.model.base import KubeObject
from app.model.core import ConfigMap, Secret
from app.model.volumes import PersistentVolumeClaim, StorageClass

Model = TypeVar("Model", bound=KubeObject)

_PATHS: dict[type[KubeObject], str] = {
    ConfigMap: "/api/v1/namespaces/{namespace}/configmaps",
    Secret: "/api/v1/namespaces/{namespace}/secrets",
    PersistentVolumeClaim: "/api/v1/namespaces/{namespace}/persistentvolumeclaims",
    StorageClass: "/apis/storage.k8s.io/v1/storageclasses",
}
_MODELS: dict[tuple[str, str], type[KubeObject]] = {
    ("v1", "ConfigMap"): ConfigMap,
    ("v1", "Secret"): Secret,
    ("v1", "PersistentVolumeClaim"): PersistentVolumeClaim,
    ("storage.k8s.io/v1", "StorageClass"): StorageClass,
}
_REASONS = {0: "the API server did not answer", 403: "registry-admission may not read it"}


class UnreadableError(Exception):
    """An object could not be read. It may or may not exist. The text gives the reason."""


class ObjectReader(Protocol):
    async def read(self, model: type[Model], namespace: str, name: str) -> Model | None:
        """The object; None if there is none. `namespace` is "" for a cluster-scoped object.

        Raises UnreadableError.
        """


class KubernetesObjects:
    """Objects from the API server. Of a Secret, no values but public certificates are kept."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def read(self, model: type[Model], namespace: str, name: str) -> Model | None:
        path = _PATHS[model].format(namespace=namespace)
        try:
            return model.model_validate(await self._api.get(f"{path}/{name}"))
        except NotFoundError:
            return None
        except ApiError as error:
            reason = _REASONS.get(error.status, f"the API server answers {error.status}")
            raise UnreadableError(reason) from None
        except ValidationError:
            raise UnreadableError("its content cannot be read") from None


class ManifestObjects:
    """Objects from manifests."""

    def __init__(self) -> None:
        self._objects: dict[tuple[type[KubeObject], str, str], KubeObject] = {}

    def add(self, manifest: Manifest) -> None:
        """Keep an object of a kind that decisions read. Later objects replace earlier ones.

        Raises ManifestError for an object of a wrong shape.
        """
        model = _MODELS.get((manifest.api_version, manifest.kind))
        if model is not None:
            found = manifest.parse(model)
            self._objects[model, found.metadata.namespace, found.metadata.name] = found

    async def read(self, model: type[Model], namespace: str, name: str) -> Model | None:
        found = self._objects.get((model, namespace, name))
        return found if isinstance(found, model) else None
