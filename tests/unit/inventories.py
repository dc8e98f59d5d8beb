"""An inventory of a gateway before a fake registry."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

import httpx

from app.gateway.coverage import Coverage
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.questions import Questioner
from app.gateway.traffic import Traffic, Turns
from app.model.manifest import OCI_INDEX, OCI_MANIFEST
from app.registry.client import RegistryClient
from app.registry.names import Reference, Repository
from tests.unit.pushes import digest_of

ORIGIN = "http://10.1.2.3:5000"
APP = Repository("ns", "app")
GRACE = 900.0
V1, V2 = Reference(tag="v1"), Reference(tag="v2")


Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


class FakeRegistry:
    """A registry: manifests by reference. Requests can be delayed or fail."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.down = False
        self.broken: set[str] = set()
        """References that it fails to answer for."""
        self.half_gone: set[str] = set()
        """References that it finds with HEAD and not with GET."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.holds: dict[str, asyncio.Event] = {}
        """The next answer for each of these references waits for the event."""

    def store(self, content: bytes, *tags: str) -> str:
        for reference in (digest_of(content), *tags):
            self.stored[reference] = content
        return digest_of(content)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        reference = request.url.path.rpartition("/")[2]
        content = self.stored.get(reference)
        tags = [name for name in self.stored if ":" not in name]
        self.asked.append(reference)
        await self.gate.wait()
        if hold := self.holds.pop(reference, None):
            await hold.wait()
        if reference in self.broken:
            return httpx.Response(500)
        if reference == "list":
            return httpx.Response(200, json={"tags": tags})
        if content is None or (request.method == "GET" and reference in self.half_gone):
            return httpx.Response(404)
        media_type = OCI_INDEX if b'"manifests"' in content else OCI_MANIFEST
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest_of(content)}
        return httpx.Response(200, content=content, headers=headers)


def inventory_of(
    database: Database, registry: Handler, clock: Callable[[], float] = time.time
) -> Inventory:
    """Asks the registry again after 0.01 seconds instead of five seconds."""
    client = RegistryClient(ORIGIN, transport=httpx.MockTransport(registry))
    questioner = Questioner(client, Turns(Traffic()))
    return Inventory(database, questioner, Coverage(), grace=GRACE, settle=0.01, clock=clock)


def write_version(path: Path, version: int) -> None:
    """Give a closed database the version of an earlier program."""
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {version}")


def counts(inventory: Inventory) -> tuple[int, int, int]:
    usage = inventory.usage["ns"]
    return usage.stream_count, usage.image_count, usage.tag_count


async def push(inventory: Inventory, reference: Reference, content: bytes) -> None:
    inventory.stored(await inventory.begin(APP, reference, digest_of(content)))
