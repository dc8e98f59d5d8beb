"""A work queue: each key is worked on by one worker at a time, now, later, or again on failure."""

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Work = Callable[[Item], Awaitable[float | None]]
"""Brings one object to its wanted state. Returns the seconds until the next look; None: no look."""

logger = logging.getLogger("registry_admission.controllers")

_BACKOFF = (0.5, 300.0)
"""Seconds before the first retry, and the longest pause between retries."""
_REPLACED = 1000
"""The number of replaced plans that are kept. A plan may be hours ahead, and be replaced often."""


class WorkQueue(Generic[Item]):
    """Keys of objects that may need work.

    A key that is added while it waits is worked on once. A key that is added while a worker has it
    is worked on once more. After a failure the pause doubles with each retry.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: dict[Item, None] = {}
        self._running: set[Item] = set()
        self._again: set[Item] = set()
        self._due: dict[Item, float] = {}
        self._heap: list[tuple[float, int, Item]] = []
        self._serial = 0
        self._failures: dict[Item, int] = {}
        self._wake = asyncio.Event()

    @property
    def depth(self) -> int:
        """The keys that wait or are worked on now, without those that are due later."""
        return len(self._ready) + len(self._running)

    def add(self, key: Item) -> None:
        """Have a key worked on now."""
        self._due.pop(key, None)
        if key in self._running:
            self._again.add(key)
        else:
            self._ready[key] = None
            self._wake.set()

    def add_after(self, key: Item, seconds: float) -> None:
        """Have a key worked on later. This replaces an earlier plan for it."""
        due = self._clock() + seconds
        self._due[key] = due
        self._serial += 1
        heapq.heappush(self._heap, (due, self._serial, key))
        if len(self._heap) > 2 * len(self._due) + _REPLACED:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
        self._wake.set()

    async def run(self, work: Work[Item], workers: int) -> None:
        """Run so many workers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(self._worker(work))

    async def _worker(self, work: Work[Item]) -> None:
        while True:
            key = await self._next()
            try:
                again_after = await work(key)
            except Exception as error:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                again_after = _backoff(failures)
                logger.warning(
                    "not reconciled",
                    extra={"key": str(key), "problem": repr(error), "attempt": failures},
                )
            else:
                self._failures.pop(key, None)
            self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif again_after is not None:
                self.add_after(key, again_after)

    async def _next(self) -> Item:
        while True:
            self._promote()
            if self._ready:
                key = next(iter(self._ready))
                del self._ready[key]
                self._running.add(key)
                return key
            self._wake.clear()
            until = self._heap[0][0] - self._clock() if self._heap else None
            with suppress(TimeoutError):
                async with asyncio.timeout(until):
                    await self._wake.wait()

    def _promote(self) -> None:
        """Make keys ready that are due. A plan that was replaced is skipped."""
        while self._heap and self._heap[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)


def _backoff(failures: int) -> float:
    """Seconds until the next retry, at random so that keys that failed together are spread."""
    first, longest = _BACKOFF
    return min(longest, first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)
