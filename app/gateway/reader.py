"""Reads the repositories that a push is decided on, if they are not known yet."""

import asyncio
from contextlib import suppress

from app.cluster.workers import each
from app.gateway.causes import explain
from app.gateway.coverage import Coverage
from app.gateway.database import DatabaseError
from app.gateway.inventory import Inventory
from app.quota.state import StateUnavailableError
from app.registry.client import RegistryUnavailableError
from app.registry.names import Repository

_WITHIN = 8.0
"""Seconds that a push waits for repositories to be read."""
_READINGS = 64
"""Repositories that are read at once. Readings go on when their pushes give up."""
_FOR_ONE_PUSH = 8


class Reader:
    """Reads unread repositories. Concurrent callers share one reading of a repository."""

    def __init__(self, inventory: Inventory, coverage: Coverage) -> None:
        self._inventory = inventory
        self._coverage = coverage
        self._readings: dict[Repository, asyncio.Task[str]] = {}
        self._places = asyncio.Semaphore(_READINGS)

    async def prepare(self, repository: Repository) -> None:
        """Read this repository and the unread ones of its namespace.

        Raises StateUnavailableError.
        """
        self._coverage.require_listed()
        wanted = self._coverage.of_namespace(repository.namespace)
        if not self._inventory.knows(repository):
            wanted |= {repository}
        problems: list[str] = []

        async def read(one: Repository) -> None:
            problems.append(await self.read(one, urgent=True))

        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN):
                await each(sorted(wanted), read, at_once=_FOR_ONE_PUSH)
        if left := len(wanted) - len(problems):
            problems.append(f"{left} repositories were not read in {_WITHIN:g} s")
        if problem := next(filter(None, problems), ""):
            raise StateUnavailableError(f"namespace {repository.namespace}: {problem}")

    async def read(self, repository: Repository, *, urgent: bool) -> str:
        """Read a whole repository, unless it has been read. The reading goes on if its caller gives
        up: a large repository may take longer than a push waits.

        `urgent`: a client waits for it. Returns the error, or an empty text.
        """
        if not self._is_begun(repository):
            await self._places.acquire()
            if self._is_begun(repository):
                self._places.release()
            else:
                reading = asyncio.create_task(self._read(repository, urgent))
                self._readings[repository] = reading
                reading.add_done_callback(lambda _: self._end(repository))
        begun = self._readings.get(repository)
        return await asyncio.shield(begun) if begun else ""

    def close(self) -> None:
        """End the readings that go on."""
        for reading in self._readings.values():
            reading.cancel()

    def _is_begun(self, repository: Repository) -> bool:
        """Whether a repository has been read, or is being read."""
        is_read = repository not in self._coverage.unread and self._inventory.knows(repository)
        return is_read or repository in self._readings

    def _end(self, repository: Repository) -> None:
        del self._readings[repository]
        self._places.release()

    async def _read(self, repository: Repository, urgent: bool) -> str:
        problem = await self._problem(repository, urgent)
        if problem:
            self._coverage.not_read(repository, problem)
        else:
            self._coverage.unread.pop(repository, None)
        return problem

    async def _problem(self, repository: Repository, urgent: bool) -> str:
        try:
            await self._inventory.compare(repository, thorough=True, urgent=urgent)
        except RegistryUnavailableError as error:
            return explain(error)
        except DatabaseError as error:
            return str(error)
        return ""
