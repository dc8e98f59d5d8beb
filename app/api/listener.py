"""Accepts connections within bounds, before it does any work of TLS for them."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from app.api.connections import Connection, Connections

logger = logging.getLogger("registry_admission.server")

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for a TLS handshake."""
_AT_ONCE = 64
"""Connections that are accepted before other tasks run."""
_PAUSE = 0.5
"""Seconds without accepting when the process may open no more files."""


class Listener:
    """Replaces an `asyncio.Server` in uvicorn, which only closes it and waits for its end."""

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext | None,
        protocol: Callable[[Connection], asyncio.Protocol],
        connections: Connections,
    ) -> None:
        """`listening` is a listening socket. Without a context connections are plain."""
        self._socket = listening
        self._context = context
        self._protocol = protocol
        self._connections = connections
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)
        self._pause: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Accept no more, and end handshakes that have begun."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.error("no connection accepted: %s", error)
                self._loop.remove_reader(self._socket)
                self._pause = self._loop.call_later(_PAUSE, self._resume)
                return
            self._begin(accepted, str(peer[0]))

    def _resume(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _begin(self, accepted: socket.socket, address: str) -> None:
        connection = self._connections.admit(address, lambda: None)
        if connection is None:
            accepted.close()
            return
        accepted.setblocking(False)
        handshake = asyncio.create_task(self._shake_hands(accepted, connection))
        connection.end = handshake.cancel
        self._handshakes.add(handshake)

        def ended(task: asyncio.Task[None]) -> None:
            self._handshakes.discard(task)
            if task.cancelled() or isinstance(task.exception(), OSError):
                accepted.close()
                connection.gone()

        handshake.add_done_callback(ended)

    async def _shake_hands(self, accepted: socket.socket, connection: Connection) -> None:
        """Raises OSError for a client that breaks off or does not speak TLS."""
        await self._loop.connect_accepted_socket(
            lambda: self._protocol(connection),
            accepted,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT if self._context is not None else None,
        )
