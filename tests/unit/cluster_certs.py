"""Replicas that share one certificate, and their API server."""

import asyncio
import copy
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.certs import files
from app.certs.cluster import ClusterCertificates, service_names
from app.certs.rotation import Schedule
from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError, Query

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
NAMES = service_names("registry-admission", "registry-admission")
SECRET = "/api/v1/namespaces/registry-admission/secrets/registry-admission-tls"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = f"{WEBHOOKS}/validatingwebhookconfigurations/registry-admission"
MUTATING = f"{WEBHOOKS}/mutatingwebhookconfigurations/registry-admission"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def configuration(kind: str, *webhooks: str) -> Content:
    return {
        "kind": kind,
        "metadata": {"resourceVersion": "1"},
        "webhooks": [{"name": name, "clientConfig": {"service": {}}} for name in webhooks],
    }


def never(path: str) -> bool:
    return False


def always(path: str) -> bool:
    return True


class FakeApi(KubeApi):
    """Objects by path. Other tasks may run between any two requests."""

    def __init__(self) -> None:
        self.objects: dict[str, Content] = {
            VALIDATING: configuration("ValidatingWebhookConfiguration", "pushes", "limits"),
            MUTATING: configuration("MutatingWebhookConfiguration", "defaults"),
        }
        self.failing: Callable[[str], bool] = never
        self.writes: list[str] = []
        self._version = 1

    async def get(self, path: str, query: Query | None = None) -> Content:
        await self._request_of("GET", path)
        if path not in self.objects:
            raise NotFoundError(404, f"{path} not found")
        return copy.deepcopy(self.objects[path])

    async def create(self, path: str, content: Content, query: Query | None = None) -> Content:
        path = f"{path}/{content['metadata']['name']}"
        await self._request_of("POST", path)
        if path in self.objects:
            raise ConflictError(409, f"{path} already exists")
        return self._put(path, content)

    async def replace(self, path: str, content: Content) -> Content:
        await self._request_of("PUT", path)
        present = self.objects[path]["metadata"]["resourceVersion"]
        if content["metadata"]["resourceVersion"] != present:
            raise ConflictError(409, f"{path} has been modified")
        return self._put(path, content)

    async def apply(self, path: str, content: Content, manager: str, **_options: bool) -> Content:
        await self._request_of("PATCH", path)
        changed = copy.deepcopy(self.objects[path])
        bundles = {webhook["name"]: webhook["clientConfig"] for webhook in content["webhooks"]}
        for webhook in changed["webhooks"]:
            webhook["clientConfig"].update(bundles.get(webhook["name"], {}))
        return self._put(path, changed)

    def bundles(self) -> list[bytes]:
        return [
            b64decode(webhook["clientConfig"].get("caBundle", ""))
            for path in (VALIDATING, MUTATING)
            for webhook in self.objects.get(path, {"webhooks": []})["webhooks"]
        ]

    async def _request_of(self, method: str, path: str) -> None:
        await asyncio.sleep(0)
        if self.failing(path):
            raise ApiError(0, f"{method} {path}: connection refused")

    def _put(self, path: str, content: Content) -> Content:
        self.writes.append(path)
        self._version += 1
        self.objects[path] = copy.deepcopy(content)
        self.objects[path]["metadata"]["resourceVersion"] = str(self._version)
        return self.objects[path]


class Replica:
    def __init__(self, api: FakeApi, folder: Path, schedule: Schedule | None = None) -> None:
        self.now = NOW
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.certificates = ClusterCertificates(
            api,
            folder,
            namespace="registry-admission",
            names=NAMES,
            schedule=schedule,
            clock=lambda: self.now,
        )

    @property
    def ready(self) -> bool:
        return not self.certificates.problems()

    @property
    def served(self) -> bytes:
        return (self.folder / files.CERTIFICATE).read_bytes()

    async def settle(self) -> None:
        while await self.certificates.step():
            pass
