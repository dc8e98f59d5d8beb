"""Limits how much work runs at once. The rest waits in one queue for each namespace."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.registry.errors import RegistryError

_RETRY_AFTER = 5
_WAITING = 1000
"""The number of callers that may wait."""


class Slots:
    """Namespaces get free slots in turn, however many callers each has waiting."""

    def __init__(self, limit: int, wait: float, work: str) -> None:
        """`wait`: seconds that a caller waits for a slot. `work`: what the slots are for, as it
        follows their number in a refusal."""
        self._limit = limit
        self._wait = wait
        self._work = work
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self.taken = 0

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def one(self, namespace: str) -> AsyncIterator[None]:
        """Hold a slot. Raises RegistryError if none becomes free in time, or too many wait."""
        if self.taken < self._limit:
            self.taken += 1
        else:
            await self._turn(namespace)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, namespace: str) -> None:
        if self.waiting >= _WAITING:
            self._make_room(namespace)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        try:
            async with asyncio.timeout(self._wait):
                await turn
        except BaseException as error:
            if not turn.done() or turn.cancelled():
                self._leave(namespace, turn)
            elif turn.exception() is None:
                self._pass_on()
            if isinstance(error, TimeoutError):
                raise self._refusal(f"for more than {self._wait:g} s") from None
            raise

    def _make_room(self, namespace: str) -> None:
        """Refuse the latest caller of the namespace with the most callers in the queue."""
        most = max(self._waiting, key=lambda name: len(self._waiting[name]))
        if len(self._waiting[most]) <= len(self._waiting.get(namespace, ())) + 1:
            raise self._refusal("and too many wait")
        latest = self._waiting[most].pop()
        if not latest.done():
            latest.set_exception(self._refusal("and too many wait"))

    def _pass_on(self) -> None:
        """Give a free slot to the next namespace."""
        while self._waiting:
            namespace, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[namespace] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _leave(self, namespace: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(namespace, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(namespace, None)

    def _refusal(self, why: str) -> RegistryError:
        return RegistryError(
            "TOOMANYREQUESTS",
            f"{self._limit} {self._work} {why}; try again",
            retry_after=_RETRY_AFTER,
        )
