"""The HTTPS listener: starts, drains and stops without losing a review."""

import asyncio
import logging
import socket
import ssl
from types import FrameType

import uvicorn
from fastapi import FastAPI

logger = logging.getLogger("registry_admission.server")

_BACKLOG = 2048
_KEEP_ALIVE = 75
"""Seconds; the API server keeps its connections to a webhook for reuse."""
_LAST_BYTES = 1.0
"""Seconds."""


class Server(uvicorn.Server):
    """On SIGTERM readiness drops at once, and the listener closes after a delay.

    The delay lets the API server hear that this replica is going; what is in flight by then
    is finished. A second signal does not wait.
    """

    def __init__(
        self, app: FastAPI, context: ssl.SSLContext, *, shutdown_delay: float, shutdown_timeout: int
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=shutdown_timeout,
        )
        config.load()
        config.ssl = context
        super().__init__(config)
        self.draining = False
        self._shutdown_delay = shutdown_delay

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread on SIGINT and SIGTERM."""
        if self.draining:
            self.should_exit = self.force_exit = True
            return
        self.draining = True
        logger.info("draining", extra={"signal": sig, "delay": self._shutdown_delay})
        asyncio.get_running_loop().call_later(self._shutdown_delay, self._close)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        aborting = asyncio.create_task(self._abort_idle_connections())
        await super().shutdown(sockets)
        aborting.cancel()

    async def _abort_idle_connections(self) -> None:
        """A client that keeps its connection open would hold up the end: closing TLS in good
        order waits for its consent. Answers on their way out have a second to get there."""
        while self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)
        await asyncio.sleep(_LAST_BYTES)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def _close(self) -> None:
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 picks a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
