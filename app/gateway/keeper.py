"""Keeps an inventory true: filled once, asked again when in doubt, compared in the background."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.cluster.embedded import EmbeddedState
from app.gateway.database import Database, DatabaseError
from app.gateway.inventory import Inventory
from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.quota.ledger import View
from app.quota.usage import NamespaceUsage
from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.errors import RegistryError
from app.registry.names import Repository, parse_repository

logger = logging.getLogger("registry_admission.inventory")

_RETRY = 1.0
"""Seconds until a registry that gave no answer is asked again."""
_PROGRESS = 10.0
"""Seconds between two lines of progress in the log."""


class Keeper:
    """The work that goes on beside the pushes."""

    def __init__(
        self, database: Database, client: RegistryClient, inventory: Inventory, interval: float
    ) -> None:
        """`interval`: seconds between two comparisons with the registry's catalog."""
        self._database = database
        self._client = client
        self._inventory = inventory
        self._interval = interval
        self._recovered = False
        self._filled = database.filled
        self._read = 0

    def problems(self) -> list[str]:
        """Why the inventory must not be decided on yet."""
        if not self._filled:
            return [f"the registry's catalog is being read, {self._read} repositories so far"]
        if not self._recovered:
            return ["the registry is being asked about pushes that were interrupted"]
        return []

    async def run(self) -> None:
        """Until cancelled."""
        await self._inventory.recover()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_when_due())
            tasks.create_task(self._compare())

    async def _ask_when_due(self) -> None:
        while True:
            if await self._inventory.ask_due():
                self._recovered = True
                await self._inventory.something_due.wait()
            else:
                await asyncio.sleep(_RETRY)

    async def _compare(self) -> None:
        while True:
            try:
                await self._scan_all()
                if not self._filled:
                    await self._database.mark_filled()
                    self._filled = True
                    logger.info("catalog read", extra={"repositories": self._read})
            except (RegistryUnavailableError, DatabaseError) as error:
                logger.warning("registry not compared", extra={"problem": str(error)})
            await asyncio.sleep(self._interval if self._filled else _RETRY)

    async def _scan_all(self) -> None:
        clock = asyncio.get_running_loop().time
        self._read, said_at = 0, clock()
        seen: set[Repository] = set()
        async with aclosing(self._catalog()) as catalog:
            async for repository in catalog:
                await self._inventory.scan(repository)
                seen.add(repository)
                self._read += 1
                if clock() - said_at > _PROGRESS:
                    logger.info("reading the catalog", extra={"repositories": self._read})
                    said_at = clock()
        for repository in set(self._inventory.repositories) - seen:
            await self._inventory.scan(repository)

    async def _catalog(self) -> AsyncGenerator[Repository, None]:
        async for name in self._client.repositories():
            try:
                yield parse_repository(name)
            except RegistryError:
                logger.info("repository belongs to no namespace", extra={"repository": name})


class GatewayState:
    """Limits from a folder of manifests, usage from the inventory."""

    def __init__(self, folder: EmbeddedState, inventory: Inventory, keeper: Keeper) -> None:
        self._folder = folder
        self._inventory = inventory
        self._keeper = keeper

    def problems(self) -> list[str]:
        return [*self._folder.problems(), *self._keeper.problems()]

    def view(self) -> View:
        return self._folder.view()

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._folder.limits(namespace)

    def limited_namespaces(self) -> list[str]:
        return self._folder.limited_namespaces()

    def usage(self, namespace: str) -> NamespaceUsage:
        return self._inventory.usage[namespace]

    def holds_images(self) -> bool:
        return self._inventory.usage.holds_images

    async def image(self, digest: str) -> ImageClaim | None:
        return await self._folder.image(digest)
