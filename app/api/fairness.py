"""Shares places and time among callers, so that no caller takes all of them."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

_MAX_WAITING = 16
"""The number of callers that may wait for their turn."""
_LONGEST_TURN = 1.0
"""Seconds. The next turn begins after this time, even if the work still waits for an answer."""
_PAUSE = 3
"""The pause after a piece of work is this multiple of its length."""


class OverloadedError(Exception):
    """There is no room for a caller now."""


class Shares:
    """Places for callers. Each caller has an owner: a namespace, a user or an address.

    While places are free, every caller gets one. When all are taken, a caller gets one only if its
    owner has less than an equal share. At most twice the number of places is taken.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, owner: str) -> Iterator[None]:
        """Hold a place. Raises OverloadedError."""
        total = self._taken.total()
        if total >= self._places:
            owners = len(self._taken.keys() | {owner})
            if total >= 2 * self._places or self._taken[owner] >= self._places / owners:
                raise OverloadedError
        self._taken[owner] += 1
        try:
            yield
        finally:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]


class Turns:
    """Runs expensive work one piece at a time, and lets owners take turns.

    After each piece comes a pause of three times its length, so that most of the time is left for
    all other work.
    """

    def __init__(self) -> None:
        self._busy = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, owner: str, patience: float) -> AsyncIterator[None]:
        """Wait for the turn, `patience` seconds at most. Raises OverloadedError."""
        try:
            async with asyncio.timeout(patience):
                await self._wait(owner)
        except TimeoutError:
            raise OverloadedError from None
        loop = asyncio.get_running_loop()
        started = loop.time()
        has_ended = False

        def end() -> None:
            nonlocal has_ended
            has_ended = True
            self._next()

        longest = loop.call_later(_LONGEST_TURN, end)
        try:
            yield
        finally:
            longest.cancel()
            if not has_ended:
                loop.call_later(_PAUSE * (loop.time() - started), self._next)

    async def _wait(self, owner: str) -> None:
        if not self._busy:
            self._busy = True
            return
        self._make_room(owner)
        # A caller that gave up stays in the queue until its turn comes, or until the queue is full.
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._next()
            raise

    def _make_room(self, owner: str) -> None:
        """If the queue is full, refuse the latest caller of the owner with the most callers."""
        if sum(map(len, self._waiting.values())) >= _MAX_WAITING:
            self._forget_ended()
        if sum(map(len, self._waiting.values())) < _MAX_WAITING:
            return
        most = max(self._waiting, key=lambda name: len(self._waiting[name]))
        if len(self._waiting[most]) <= len(self._waiting.get(owner, ())) + 1:
            raise OverloadedError
        latest = self._waiting[most].pop()
        if not latest.done():
            latest.set_exception(OverloadedError())

    def _forget_ended(self) -> None:
        for owner, callers in list(self._waiting.items()):
            self._waiting[owner] = deque(turn for turn in callers if not turn.done())
            if not self._waiting[owner]:
                del self._waiting[owner]

    def _next(self) -> None:
        """Give the turn to the owner that has waited longest since its last one."""
        while self._waiting:
            owner = next(iter(self._waiting))
            callers = self._waiting.pop(owner)
            turn = callers.popleft()
            if callers:
                self._waiting[owner] = callers
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False
