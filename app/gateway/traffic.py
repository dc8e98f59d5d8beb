"""Questions to the registry at once, and how those in the background give way to clients."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

_AT_ONCE = 8
_GIVE_WAY = 0.1
"""Seconds that a background question waits while clients are served: with eight at once, the
registry gets at most 80 such questions in a second."""


class Traffic:
    """Requests of clients that are being served."""

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
    """How many questions are asked at once."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._urgent = asyncio.Semaphore(_AT_ONCE)
        self._background = asyncio.Semaphore(_AT_ONCE)

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
