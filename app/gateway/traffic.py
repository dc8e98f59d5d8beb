"""Limits how many questions the gateway asks the registry at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

AT_ONCE = 8
_GIVE_WAY = 0.1
"""Seconds that a background question waits while clients are served. With eight at once, the
registry gets at most 80 such questions a second."""


class Traffic:
    """Counts the client requests in flight."""

    def __init__(self) -> None:
        self.requests = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1


class Turns:
    """Slots for questions. Background questions have their own, and give way to clients."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._urgent = asyncio.Semaphore(AT_ONCE)
        self._background = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def one(self, *, urgent: bool) -> AsyncIterator[None]:
        """`urgent`: a client waits for the answer."""
        if urgent:
            async with self._urgent:
                yield
            return
        async with self._background:
            if self._traffic.requests:
                await asyncio.sleep(_GIVE_WAY)
            yield
