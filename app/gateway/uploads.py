"""Limits on request bodies: their size, their speed, and the memory that they take."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from app.registry.errors import RegistryError

_RETRY_AFTER = 5
PROGRESS = 16 * 2**10
"""Bytes that a client has to send in each idle timeout, except for the last ones."""


class IdleError(Exception):
    """The client has sent fewer than PROGRESS bytes for too long."""


class Room:
    """Limits the bytes of all requests that are held in memory at once. Each has an owner.

    While less than half of the room is taken, every owner gets bytes. Then an owner gets them only
    until it holds an equal share of one half.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: bytes."""
        self._limit = limit
        self._held: Counter[str] = Counter()

    @contextmanager
    def shared(self, owner: str) -> Iterator[Callable[[int], None]]:
        """Yields a function that reserves a number of bytes until the end of the block, and raises
        RegistryError if there are not so many left."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if not self._has_room(owner, size):
                message = "too many large manifests and lists are in memory at once; try again"
                raise RegistryError("TOOMANYREQUESTS", message, retry_after=_RETRY_AFTER)
            self._held[owner] += size
            mine += size

        try:
            yield take
        finally:
            self._held[owner] -= mine
            if not self._held[owner]:
                del self._held[owner]

    def _has_room(self, owner: str, size: int) -> bool:
        total, half = self._held.total() + size, self._limit / 2
        share = half / len(self._held.keys() | {owner})
        return total <= half or (total <= self._limit and self._held[owner] + size <= share)


class MeteredBody:
    """A request body that counts its bytes and ends where it exceeds its allowance.

    It ends without an error. The registry then answers, and the gateway can cancel the upload
    session. A registry keeps the session of a broken connection.
    """

    def __init__(
        self, request: Request, *, start: int, allowance: int | None, idle_timeout: float
    ) -> None:
        """`start`: bytes of the upload session before this request."""
        self.total = start
        """Bytes of the upload session, including those that exceed the allowance."""
        self.is_too_large = False
        self._receive = request.receive
        self._allowance = allowance
        self._idle_timeout = idle_timeout

    async def whole(self) -> bytes:
        """All bytes up to the allowance. Raises IdleError and ClientDisconnect."""
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises IdleError and ClientDisconnect."""
        clock = asyncio.get_running_loop().time
        waited, came, more = 0.0, 0, True
        while more:
            began = clock()
            try:
                async with asyncio.timeout(self._idle_timeout - waited):
                    message = await self._receive()
            except TimeoutError:
                raise IdleError from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            waited, came = waited + clock() - began, came + len(chunk)
            if came >= PROGRESS:
                waited, came = 0.0, 0
            self.total += len(chunk)
            if self._allowance is not None and self.total > self._allowance:
                self.is_too_large = True
                return
            if chunk:
                yield chunk
