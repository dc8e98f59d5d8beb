"""Creates ImageStreamMappings, with which a registry ends a push, in sequence or concurrently."""

import asyncio
import hashlib
import random
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.patience import PATIENCE

from .cluster import Cluster
from .domain import DOMAIN


@dataclass(frozen=True)
class Push:
    namespace: str
    stream: str
    tag: str
    size: int = 1000

    @property
    def digest(self) -> str:
        name = f"{self.namespace}/{self.stream}:{self.tag}"
        return "sha256:" + hashlib.sha256(name.encode()).hexdigest()

    def mapping(self, domain: str) -> dict[str, Any]:
        return {
            "apiVersion": f"image.{domain}/v1",
            "kind": "ImageStreamMapping",
            "metadata": {"name": self.stream, "namespace": self.namespace},
            "tag": self.tag,
            "image": {
                "metadata": {"name": self.digest},
                "dockerImageMetadata": {"Size": self.size},
            },
        }


@dataclass(frozen=True)
class Answer:
    push: Push
    code: int
    message: str

    @property
    def admitted(self) -> bool:
        return self.code == 201


class Pusher:
    """Creates mappings with as many connections as there are clients.

    As a registry does, it makes the stream first: the Image API stores no mapping without one.
    """

    def __init__(
        self,
        cluster: Cluster,
        clients: int = 20,
        domain: str = DOMAIN,
        *,
        room: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`room` is awaited before each push: it returns once the Image API can take one more."""
        self._cluster = cluster
        self._room = room
        self._clients = clients
        self._domain = domain
        self._streams: set[tuple[str, str]] = set()

    async def push(self, pushes: Iterable[Push], *, patience: float = PATIENCE) -> list[Answer]:
        """Make every push once. A push without a decision (409, 429, 5xx) is tried again."""
        context = ssl.create_default_context(cafile=str(self._cluster.ca_file))
        limits = httpx.Limits(max_connections=self._clients)
        headers = {"Authorization": f"Bearer {self._cluster.token}"}
        turns = asyncio.Semaphore(self._clients)
        async with httpx.AsyncClient(
            base_url=self._cluster.url, verify=context, headers=headers, limits=limits, timeout=60
        ) as client:

            async def one(push: Push) -> Answer:
                async with turns:
                    if self._room is not None:
                        await self._room()
                    return await self._until_decided(client, push, patience)

            return await asyncio.gather(*map(one, pushes))

    async def _until_decided(
        self, client: httpx.AsyncClient, push: Push, patience: float
    ) -> Answer:
        path = f"/apis/image.{self._domain}/v1/namespaces/{push.namespace}"
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                response = await self._make_stream(client, path, push)
                if response is None:
                    response = await client.post(
                        f"{path}/imagestreammappings", json=push.mapping(self._domain)
                    )
                answer = Answer(push, response.status_code, response.json().get("message", ""))
            except httpx.TransportError as error:
                answer = Answer(push, 0, repr(error))
            # An API server that starts forbids what its admission cannot check yet.
            decided = answer.code in (201, 403) and "not yet ready" not in answer.message
            if decided or asyncio.get_running_loop().time() > deadline:
                return answer
            await asyncio.sleep(random.uniform(0.05, 0.3))

    async def _make_stream(
        self, client: httpx.AsyncClient, path: str, push: Push
    ) -> httpx.Response | None:
        """None if the stream is there. Without it, the custom resource that stands for a mapping
        would be stored, while the Image API answers 404: it makes no stream, and its tag counts for
        nobody else."""
        if (push.namespace, push.stream) in self._streams:
            return None
        kind = {"apiVersion": f"image.{self._domain}/v1", "kind": "ImageStream"}
        body = {**kind, "metadata": {"name": push.stream}}
        answer = await client.post(f"{path}/imagestreams", json=body)
        if answer.status_code not in (201, 409):
            return answer
        self._streams.add((push.namespace, push.stream))
        return None
