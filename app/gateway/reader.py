"""Reads the repositories that a push is decided on, if they are not known yet."""

import asyncio
import logging

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
        self._readings: dict[Repository, asyncio.Task[str]] = {}

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
        """Read a whole repository, unless it has been read. The reading goes on if its caller gives
        up: a large repository may take longer than a push waits.

        `urgent`: a client waits for it. Returns the error, or an empty text.
        """
        if repository not in self._coverage.unread and self._inventory.knows(repository):
            return ""
        reading = self._readings.get(repository)
        if reading is None:
            reading = asyncio.create_task(self._read(repository, urgent))
            self._readings[repository] = reading
            reading.add_done_callback(lambda _: self._readings.pop(repository))
        return await asyncio.shield(reading)

    def close(self) -> None:
        """End the readings that go on."""
        for reading in self._readings.values():
            reading.cancel()

    async def _read(self, repository: Repository, urgent: bool) -> str:
        problem = await self._problem(repository, urgent)
        if problem and repository in self._coverage.unread:
            self._coverage.unread[repository] = problem
        elif not problem:
            self._coverage.unread.pop(repository, None)
        return problem

    async def _problem(self, repository: Repository, urgent: bool) -> str:
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
