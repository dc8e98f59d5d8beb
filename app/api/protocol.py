"""HTTP/1.1 with bounds on the head of a request."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.connections import Connection
from app.api.writes import JoinedWrites

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers together."""
HEAD_TIMEOUT = 10.0
"""Seconds for a request line and headers to come in, and for the first byte of a connection."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends connections that send nothing, a head that is too large, or a head that takes too long.

    It tells `connection` whether the connection waits for its client or a request is answered.
    """

    connection: Connection
    """Set before the connection is made."""
    first_byte_timeout = HEAD_TIMEOUT
    _bare_bytes = 0
    """Bytes since the request began, or since the last part of its body. The parser keeps a line of
    headers, chunks or trailers in memory until the line ends."""
    _arrived = 0
    """Bytes of the latest data that belong to no body."""
    _header_bytes = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        self.connection.end = transport.abort
        self.connection.waits()
        self._start_timer(self.first_byte_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.connection.gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._arrived = len(data)
        self._bare_bytes += len(data)
        super().data_received(data)
        if self._bare_bytes > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._bare_bytes, self._header_bytes = self._arrived, 0
        self._in_head = True
        self._start_timer(HEAD_TIMEOUT)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after the last chunk. Trailers are dropped: the application has
        decided on the headers when they come."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEAD:
            raise ValueError("the request's headers are too large")
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bare_bytes = 0
        self._arrived -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.cycle.response_complete:
            self.connection.works()

    def on_response_complete(self) -> None:
        self.connection.waits()
        super().on_response_complete()

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
