"""How long the enforcer waits before it tries again, by namespace."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

_PAUSE = 0.015
"""Seconds. After each conflict, the worker may wait this much longer before it decides, so that
its batches grow."""
_MAX_PAUSE = 0.06
"""Seconds."""
_CALM = 0.8
"""Each success multiplies the wait by this."""
_FIRST_RETRY, _LAST_RETRY = 0.1, 5.0
"""Seconds before a failed write is tried again. They double with each failure."""


class ConflictPauses:
    """The longest pause before the next decision on a ledger."""

    def __init__(self) -> None:
        self._pauses: dict[str, float] = {}

    async def wait(self, namespace: str) -> None:
        pause = self._pauses.get(namespace)
        if pause:
            await asyncio.sleep(random.uniform(0, pause))

    def conflict(self, namespace: str) -> None:
        self._pauses[namespace] = min(_MAX_PAUSE, self._pauses.get(namespace, 0.0) + _PAUSE)

    def success(self, namespace: str) -> None:
        pause = self._pauses.pop(namespace, 0.0) * _CALM
        if pause > _PAUSE / 4:
            self._pauses[namespace] = pause


class Retries:
    """Plans retries, at random times so that replicas do not conflict again."""

    def __init__(self, retry: Callable[[str], None]) -> None:
        self._retry = retry
        self._failures: Counter[str] = Counter()
        self._planned: dict[str, asyncio.Task[None]] = {}

    @property
    def planned(self) -> set[asyncio.Task[None]]:
        return set(self._planned.values())

    def failure(self, namespace: str) -> None:
        """Call `retry` later, once, however many failures there are until then."""
        if namespace not in self._planned:
            self._planned[namespace] = asyncio.create_task(
                self._later(namespace), name=f"retry {namespace}"
            )

    def success(self, namespace: str) -> None:
        """Cancel the planned retry."""
        self._failures.pop(namespace, None)
        planned = self._planned.pop(namespace, None)
        if planned is not None:
            planned.cancel()

    async def _later(self, namespace: str) -> None:
        longest = min(_FIRST_RETRY * 2.0 ** self._failures[namespace], _LAST_RETRY)
        if longest < _LAST_RETRY:
            self._failures[namespace] += 1
        await asyncio.sleep(random.uniform(longest / 2, longest))
        del self._planned[namespace]
        self._retry(namespace)
