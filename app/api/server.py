"""The HTTP(S) listener: starts, drains and stops without losing a review."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.connections import Connection, Connections
from app.api.listener import Listener
from app.api.protocol import BoundedProtocol

logger = logging.getLogger("registry_admission.server")

_KEEP_ALIVE = 120
"""Seconds. The API server closes an idle connection after 90 s. This service waits longer, so that
it never closes one just as a review is sent on it."""
_BACKLOG = 2048
_LAST_BYTES = 1.0
"""Seconds for the last answers to arrive."""


class Server(uvicorn.Server):
    """On SIGTERM the service stops being ready at once, and the listener closes after a delay.

    In that time the API server learns that this replica stops. Requests in flight are answered. A
    second signal ends the process without waiting.
    """

    def __init__(
        self,
        app: ASGIApp,
        context: ssl.SSLContext | None,
        *,
        shutdown_delay: float,
        shutdown_timeout: int,
        protocol: type[BoundedProtocol] = BoundedProtocol,
        connections: Connections | None = None,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        """Without `context` the server speaks plain HTTP. `connections`: other bounds than the
        default ones. `is_late`: whether clients should go to another replica now."""
        self.draining = False
        self._is_late = is_late
        config = uvicorn.Config(
            self._closing_before_others_answer(app),
            http=protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=shutdown_timeout,
        )
        config.load()
        super().__init__(config)
        self._shutdown_delay = shutdown_delay
        self._context = context
        self._protocol = protocol
        self._connections = connections or Connections()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on `sockets`, within bounds that uvicorn lacks."""
        await self.lifespan.startup()
        listeners = [
            Listener(bound, self._context, self._speak, self._connections)
            for bound in sockets or ()
        ]
        # uvicorn only closes them and waits for their end.
        self.servers = cast("list[asyncio.base_events.Server]", listeners)
        self.started = True

    def _speak(self, connection: Connection) -> BoundedProtocol:
        spoken = self._protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        spoken.connection = connection
        return spoken

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread on SIGINT and SIGTERM."""
        if self.draining:
            self.should_exit = self.force_exit = True
            return
        self.draining = True
        logger.info("draining", extra={"signal": sig, "delay": self._shutdown_delay})
        asyncio.get_running_loop().call_later(self._shutdown_delay, self._close)

    def _closing_before_others_answer(self, app: ASGIApp) -> ASGIApp:
        """While another replica should answer, tell clients with each answer to close their
        connections. They keep those of a replica that is not ready any more.

        While draining, this comes before the listener closes them: a review that is sent on a
        connection which is just being closed fails, and clients do not repeat a POST.
        """

        async def closing(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_closing(message: Message) -> None:
                starts = message["type"] == "http.response.start"
                if starts and (self.draining or self._is_late()):
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                await send(message)

            await app(scope, receive, send_closing)

        return closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        aborting = asyncio.create_task(self._abort_idle_connections())
        await super().shutdown(sockets)
        aborting.cancel()

    async def _abort_idle_connections(self) -> None:
        """Abort connections when all requests are answered.

        An orderly end of TLS waits for the client. The last answers have a second to arrive.
        """
        while self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)
        await asyncio.sleep(_LAST_BYTES)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def _close(self) -> None:
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 picks a free one. Raises OSError that names the address.

    It listens at once: two processes can bind one port as long as neither listens.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "choose others with --host and --port"
        ) from None
    return listener
