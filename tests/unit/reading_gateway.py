"""The parts of a gateway that read a registry, before a fake one."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx

from app.gateway.catalog import Catalog
from app.gateway.coverage import Coverage
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.questions import Questioner
from app.gateway.reader import Reader
from app.gateway.reconciler import InventoryReconciler
from app.gateway.traffic import Traffic, Turns
from app.registry.client import RegistryClient
from app.registry.names import Repository, parse_repository
from tests.patience import PATIENCE
from tests.unit.inventories import Handler
from tests.unit.pushes import image

ORIGIN = "http://10.1.2.3:5000"
APP = Repository("ns", "app")
CHILD = image(1)


class ReadingGateway:
    """Reads a registry when told to, or in the background."""

    def __init__(self, database: Database, registry: Handler, *names: str) -> None:
        client = RegistryClient(ORIGIN, transport=httpx.MockTransport(registry))
        self.coverage, self.database = Coverage(), database
        questioner = Questioner(client, Turns(Traffic()))
        self.inventory = Inventory(database, questioner, self.coverage, grace=900)
        self.reader = Reader(self.inventory, self.coverage)
        catalog = Catalog(client, frozenset(map(parse_repository, names)))
        self.reconciler = InventoryReconciler(
            database, catalog, self.inventory, self.reader, self.coverage, interval=0.2
        )

    async def run_until(self, condition: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.reconciler.run())
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def fill(self) -> None:
        await self.run_until(lambda: self.coverage.complete and self.database.filled)

    def counts(self, namespace: str = "ns") -> tuple[int, int, int]:
        usage = self.inventory.usage[namespace]
        return usage.stream_count, usage.image_count, usage.tag_count
