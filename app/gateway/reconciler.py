"""Reads new repositories, asks due questions, and compares the inventory, in the background."""

import asyncio
import logging
from functools import partial
from itertools import count
from zlib import crc32

from app.cluster.workers import each
from app.gateway.catalog import Catalog
from app.gateway.causes import explain
from app.gateway.coverage import Coverage
from app.gateway.database import Database, DatabaseError
from app.gateway.inventory import Inventory
from app.gateway.reader import Reader
from app.registry.client import RegistryUnavailableError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.inventory")

_RETRY = 1.0
_MAX_RETRY = 30.0
"""Seconds until the catalog is listed again after a failure, at first and at most."""
_AT_ONCE = 4
"""Repositories that are read or compared at once."""
_THOROUGH = 6
"""In one of this many comparisons, the gateway asks for every tag of a repository. In the others it
asks for the tags that differ."""
_SHARE = 0.5
"""Share of the interval over which a comparison is spread."""


class InventoryReconciler:
    """The background work of a gateway before a plain registry."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        inventory: Inventory,
        reader: Reader,
        coverage: Coverage,
        interval: float,
    ) -> None:
        """`interval`: seconds between two comparisons with the registry."""
        self._database = database
        self._catalog = catalog
        self._inventory = inventory
        self._reader = reader
        self._coverage = coverage
        self._interval = interval
        if database.filled:
            coverage.catalog_problem = ""

    async def run(self) -> None:
        """Run until cancelled."""
        await self._inventory.recover()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_when_due())
            tasks.create_task(self._read_what_is_new())
            tasks.create_task(self._compare_what_is_known())

    async def _ask_when_due(self) -> None:
        while True:
            if await self._inventory.ask_due():
                await self._inventory.something_due.wait()
            else:
                await asyncio.sleep(_RETRY)

    async def _read_what_is_new(self) -> None:
        """Read the repositories that the registry lists and that are not known."""
        retry = _RETRY
        while True:
            try:
                listed = await self._catalog.repositories()
                self._coverage.listed(listed - self._inventory.repositories)
                await each(list(self._coverage.unread), self._read, at_once=_AT_ONCE)
                logger.info("repositories listed", extra=self._coverage.numbers(len(listed)))
                if not self._coverage.unread and not self._database.filled:
                    await self._database.mark_filled()
            except RegistryUnavailableError as error:
                self._coverage.not_listed(explain(error))
            except DatabaseError as error:
                logger.error("not written", extra={"problem": str(error)})
            if self._coverage.complete:
                retry = _RETRY
                await asyncio.sleep(self._interval)
            else:
                await asyncio.sleep(retry)
                retry = min(2 * retry, _MAX_RETRY)

    async def _read(self, repository: Repository) -> None:
        await self._reader.read(repository, urgent=False)

    async def _compare_what_is_known(self) -> None:
        if not self._database.filled:
            await asyncio.sleep(self._interval)
        for number in count():
            started = asyncio.get_running_loop().time()
            known = sorted(self._inventory.repositories)
            pause = self._interval * _SHARE / (len(known) or 1)
            anew, failed = self._database.has_old_links, list[Repository]()
            compare = partial(self._compare, number, anew, failed)
            await each(known, compare, at_once=_AT_ONCE, pause=pause)
            if anew and not failed:
                await self._mark_links_read()
            took = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(self._interval - took, 0.0))

    async def _compare(
        self, number: int, anew: bool, failed: list[Repository], repository: Repository
    ) -> None:
        """`anew`: read all links again."""
        thorough = anew or (crc32(str(repository).encode()) + number) % _THOROUGH == 0
        try:
            await self._inventory.compare(repository, thorough=thorough, anew=anew)
        except (RegistryUnavailableError, DatabaseError) as error:
            about = {"repository": str(repository), "problem": str(error)}
            logger.warning("repository not compared", extra=about)
            failed.append(repository)

    async def _mark_links_read(self) -> None:
        try:
            await self._database.mark_links_read()
        except DatabaseError as error:
            logger.error("not written", extra={"problem": str(error)})
