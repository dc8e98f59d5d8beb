"""Answers of other servers, asked for once and kept for as long as they hold."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TLRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class KeptAnswers(Generic[Key, Value]):
    """Callers that wait for the same key share one question. Few questions are open at once."""

    def __init__(
        self,
        ask: Callable[[Key], Awaitable[Value]],
        seconds: Callable[[Value], float],
        *,
        capacity: int,
        at_once: int,
        space: Callable[[Value], int] = lambda _: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: how long an answer holds. `space`: the part of the capacity that an answer
        takes. An exception is passed on and not kept."""
        self._ask = ask
        self._kept: TLRUCache[Key, Value] = TLRUCache(
            capacity, lambda _, value, now: now + seconds(value), clock, space
        )
        self._asked: dict[Key, asyncio.Task[Value]] = {}
        self._turns = asyncio.Semaphore(at_once)

    async def of(self, key: Key) -> Value:
        """The answer for a key. Raises the exception of the question."""
        with contextlib.suppress(KeyError):
            return self._kept[key]
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._answer(key))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _answer(self, key: Key) -> Value:
        async with self._turns:
            answer = await self._ask(key)
        with contextlib.suppress(ValueError):  # It takes more space than there is.
            self._kept[key] = answer
        return answer
