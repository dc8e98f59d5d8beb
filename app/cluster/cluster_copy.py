"""Reads the limits and ImageStreams of some namespaces once, so that `check` can decide on them."""

import asyncio
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

from app.cluster.api import KubeApi
from app.cluster.embedded import Snapshot, SnapshotState
from app.cluster.image_claims import ImageClaims
from app.cluster.manifests import Manifest
from app.cluster.objects import KubernetesObjects, Model
from app.model.domain import ApiDomain
from app.model.image import ImageClaim

_SOURCE = Path("cluster")
_NOWHERE = yaml.ScalarNode("tag:yaml.org,2002:null", "", yaml.Mark("cluster", 0, 0, 0, "", 0))


class ClusterCopy(SnapshotState):
    """Limits and ImageStreams. Images, and objects that a Config refers to, are read by name."""

    def __init__(self, api: KubeApi, domain: ApiDomain, snapshot: Snapshot) -> None:
        super().__init__(snapshot)
        self._claims = ImageClaims(api, domain)
        self._objects = KubernetesObjects(api)

    async def image(self, digest: str) -> ImageClaim | None:
        """Raises StateUnavailableError if the Image API does not answer."""
        return await super().image(digest) or await self._claims.of(digest)

    async def read(self, model: type[Model], namespace: str, name: str) -> Model | None:
        found = await super().read(model, namespace, name)
        return found or await self._objects.read(model, namespace, name)


async def copied(api: KubeApi, domain: ApiDomain, namespaces: Collection[str]) -> ClusterCopy:
    """Read the namespaces. Raises ApiError."""
    paths = [
        (kind, version, f"{root}/namespaces/{namespace}/{plural}")
        for namespace in sorted(namespaces)
        for kind, version, root, plural in (
            ("LimitRange", "v1", "/api/v1", "limitranges"),
            ("ResourceQuota", "v1", "/api/v1", "resourcequotas"),
            (
                "ImageStream",
                f"{domain.image_group}/v1",
                f"/apis/{domain.image_group}/v1",
                "imagestreams",
            ),
        )
    ]
    read = await asyncio.gather(*(_objects(api, *path) for path in paths))
    snapshot = Snapshot(domain)
    for manifest in _all(read):
        snapshot.add(manifest)
    return ClusterCopy(api, domain, snapshot)


async def _objects(api: KubeApi, kind: str, version: str, path: str) -> list[Manifest]:
    """The objects of a list, with the kind that a list leaves out."""
    return [
        Manifest(_SOURCE, _NOWHERE, {**item, "kind": kind, "apiVersion": version})
        async for item in api.items(path)
    ]


def _all(groups: Iterable[list[Manifest]]) -> Iterable[Manifest]:
    return (manifest for group in groups for manifest in group)
