"""Sends the head and the body of an answer together."""

import asyncio
from typing import Any

_MOST = 16 * 1024
"""Bytes that wait to be sent together: as many as one TLS record holds."""


class JoinedWrites:
    """A transport that sends small writes of one turn of the event loop as one.

    uvicorn writes the head and the body of an answer one after the other. Each write would be a TLS
    record and a system call of its own.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this turn, or at once if it is large."""
        if self._size + len(data) > _MOST:
            self._send()
            self._transport.write(data)
            return
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(data)
        self._size += len(data)

    def close(self) -> None:
        """Send what waits, and close the connection."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting:
            self._transport.write(b"".join(waiting))

    def __getattr__(self, name: str) -> Any:
        """All other methods are those of the transport."""
        return getattr(self._transport, name)
