"""Answers of other servers, asked for once and kept for as long as they hold."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class KeptAnswers(Generic[Key, Value]):
    """Callers that wait for the same key cost one question, and few questions are open at once."""

    def __init__(
        self,
        ask: Callable[[Key], Awaitable[Value]],
        seconds: Callable[[Value], float],
        *,
        capacity: int,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: how long an answer holds. An exception is passed on and not kept."""
        self._ask = ask
        self._seconds = seconds
        self._capacity = capacity
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[Value, float]] = OrderedDict()
        """Answers and until when they hold; the one that was used last is the last."""
        self._asked: dict[Key, asyncio.Task[Value]] = {}
        self._turns = asyncio.Semaphore(at_once)

    async def of(self, key: Key) -> Value:
        """Raises what the question raises."""
        kept = self._kept.get(key)
        if kept is not None and kept[1] > self._clock():
            self._kept.move_to_end(key)
            return kept[0]
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._answer(key))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _answer(self, key: Key) -> Value:
        async with self._turns:
            answer = await self._ask(key)
        self._kept[key] = answer, self._clock() + self._seconds(answer)
        self._kept.move_to_end(key)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return answer
