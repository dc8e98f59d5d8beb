"""Reads the repositories that a push is decided on, if they are not known yet."""

import asyncio
import logging
from weakref import WeakValueDictionary

from app.gateway.causes import explain
from app.gateway.coverage import Coverage
from app.gateway.database import DatabaseError
from app.gateway.inventory import Inventory
from app.quota.state import StateUnavailableError
from app.registry.client import RegistryUnavailableError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.inventory")

_WITHIN = 8.0
"""Seconds that a push waits for repositories to be read."""


class Reader:
    """Reads unread repositories. Concurrent callers share one reading of a repository."""

    def __init__(self, inventory: Inventory, coverage: Coverage) -> None:
        self._inventory = inventory
        self._coverage = coverage
        self._locks: WeakValueDictionary[Repository, asyncio.Lock] = WeakValueDictionary()

    async def prepare(self, repository: Repository) -> None:
        """Read this repository and the unread ones of its namespace.

        Raises StateUnavailableError.
        """
        self._coverage.require_listed()
        wanted = self._coverage.of_namespace(repository.namespace)
        if not self._inventory.knows(repository):
            wanted |= {repository}
        if not wanted:
            return
        try:
            async with asyncio.timeout(_WITHIN):
                problems = await asyncio.gather(*(self.read(one, urgent=True) for one in wanted))
        except TimeoutError:
            problems = [f"{len(wanted)} repositories were not read in {_WITHIN:g} s"]
        if causes := [problem for problem in problems if problem]:
            raise StateUnavailableError(f"namespace {repository.namespace}: {causes[0]}")

    async def read(self, repository: Repository, *, urgent: bool) -> str:
        """Read a whole repository, unless another caller has just done so.

        `urgent`: a client waits for it. Returns the error, or an empty text.
        """
        async with self._locks.setdefault(repository, asyncio.Lock()):
            listed = repository in self._coverage.unread
            if not listed and self._inventory.knows(repository):
                return ""
            problem = await self._read(repository, urgent)
            if problem and listed:
                self._coverage.unread[repository] = problem
            elif listed:
                del self._coverage.unread[repository]
            return problem

    async def _read(self, repository: Repository, urgent: bool) -> str:
        try:
            await self._inventory.compare(repository, thorough=True, urgent=urgent)
        except RegistryUnavailableError as error:
            problem = explain(error)
        except DatabaseError as error:
            problem = str(error)
        else:
            return ""
        logger.warning("not read", extra={"repository": str(repository), "problem": problem})
        return problem
