"""An API server in memory, for tests of the controllers."""

import asyncio
import copy
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError, Query
from tests.unit.kube import merged

CONFIGS = "/apis/imageregistry.operator.alauda.io/v1/configs"
_LISTED = (CONFIGS, "/api/v1/serviceaccounts", "/api/v1/secrets", "/api/v1/resourcequotas")


def nothing(path: str) -> ApiError | None:
    """A rate limiter that allows every request at once."""
    return None


class MemoryCluster(KubeApi):
    """Objects by path, with watches."""

    def __init__(self) -> None:
        self.objects: dict[str, Content] = {}
        self.requests: list[str] = []
        self.refuse: Callable[[str], ApiError | None] = nothing
        self._version = 0
        self._watches: list[tuple[str, asyncio.Queue[Content]]] = []

    def keep(self, path: str, content: Content) -> Content:
        """Store an object, and send an event."""
        self._version += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        metadata = content.setdefault("metadata", {})
        metadata.setdefault("uid", f"uid-{self._version}")
        metadata["resourceVersion"] = str(self._version)
        self.objects[path] = content
        self._tell(kind, path)
        return copy.deepcopy(content)

    def drop(self, path: str) -> None:
        self._tell("DELETED", path)
        del self.objects[path]

    def add_account(self, namespace: str, name: str, *pull_secrets: str) -> None:
        """Create a ServiceAccount, or replace what it names."""
        entries = [{"name": one} for one in pull_secrets]
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        metadata = {"namespace": namespace, "name": name}
        if path in self.objects:
            metadata = copy.deepcopy(self.objects[path]["metadata"])
        self.keep(path, {"metadata": metadata, "imagePullSecrets": entries})

    def configure(self, **image_pull_secret: Any) -> None:
        path = f"{CONFIGS}/cluster"
        spec = {"managementState": "Managed", "imagePullSecret": image_pull_secret}
        content = {**self.objects.get(path, {"metadata": {"name": "cluster"}}), "spec": spec}
        self.keep(path, copy.deepcopy(content))

    async def get(self, path: str, query: Query | None = None) -> Content:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if path not in _LISTED:
            raise NotFoundError(404, path)
        label = (query or {}).get("labelSelector", "").removesuffix("=true")
        items = [
            copy.deepcopy(one)
            for key, one in self.objects.items()
            if _lists(path, key) and (not label or label in one["metadata"].get("labels", {}))
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self._version)}}

    async def metadata(self, path: str) -> Content:
        return {"metadata": (await self.get(path))["metadata"]}

    async def create(self, path: str, content: Content, query: Query | None = None) -> Content:
        await self._request("POST", path)
        if path.endswith("/token"):
            spec = {"expirationSeconds": content["spec"]["expirationSeconds"]}
            expires = time.gmtime(time.time() + spec["expirationSeconds"])
            status = {
                "token": f"token-{len(self.requests)}",
                "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", expires),
            }
            return {"spec": spec, "status": status}
        stored = copy.deepcopy(content)
        if path.endswith("/events"):
            return self.keep(f"{path}/{self._version}", stored)
        key = f"{path}/{content['metadata']['name']}"
        if key in self.objects:
            raise ConflictError(409, f"{key} already exists")
        stored["metadata"]["namespace"] = path.split("/")[4]
        return self.keep(key, stored)

    async def merge(self, path: str, patch: Content, query: Query | None = None) -> Content:
        await self._request("PATCH", path)
        path = path.removesuffix("/status")
        stored = copy.deepcopy(self.objects[path])
        for name in ("uid", "resourceVersion"):
            if patch["metadata"].get(name, stored["metadata"][name]) != stored["metadata"][name]:
                raise ConflictError(409, f"{path} has been modified")
        stored["metadata"] |= patch["metadata"]
        changed = {key: value for key, value in patch.items() if key != "metadata"}
        return self.keep(path, merged(stored, changed))

    async def delete(self, path: str, content: Content | None = None) -> None:
        await self._request("DELETE", path)
        self.drop(path)

    async def watch(self, path: str, query: Query) -> AsyncGenerator[Content, None]:
        queue: asyncio.Queue[Content] = asyncio.Queue()
        since = int(query["resourceVersion"])
        for key, content in self.objects.items():
            if _lists(path, key) and int(content["metadata"]["resourceVersion"]) > since:
                queue.put_nowait({"type": "MODIFIED", "object": copy.deepcopy(content)})
        self._watches.append((path, queue))
        while True:
            yield await queue.get()

    async def _request(self, method: str, path: str, *args: Any, **options: Any) -> Content:
        await asyncio.sleep(0)
        error = self.refuse(path)
        if error is not None:
            raise error
        self.requests.append(f"{method} {path}")
        return {}

    def _tell(self, kind: str, path: str) -> None:
        for watched, queue in self._watches:
            if _lists(watched, path):
                event = {"type": kind, "object": copy.deepcopy(self.objects[path])}
                queue.put_nowait(event)


def _lists(collection: str, path: str) -> bool:
    return path.split("/")[-2] == collection.rpartition("/")[2]
