"""A lock that is shared by many or held by one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.quota.state import StateUnavailableError


class SharedTurns:
    """A caller that waits to be alone goes before callers that come later to share."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        async with self._door:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self, within: float) -> AsyncIterator[None]:
        """Raises StateUnavailableError if the lock is still shared after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._door.acquire()
        except TimeoutError:
            raise _late(within) from None
        try:
            try:
                async with asyncio.timeout(within):
                    await self._empty.wait()
            except TimeoutError:
                raise _late(within) from None
            yield
        finally:
            self._door.release()


def _late(within: float) -> StateUnavailableError:
    return StateUnavailableError(f"other pushes to the namespace take longer than {within:g} s")
