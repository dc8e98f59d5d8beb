"""HTTP/1.1 with bounds on the head of a request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers together."""
_HEAD_TIMEOUT = 15.0
"""Seconds for a request line and headers to come in."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends connections that send heads without end, or heads that never end.

    One that has not sent anything yet may wait longer: a client that pools connections opens
    some before it needs them.
    """

    first_byte_timeout = 120.0
    """Seconds."""
    _reading_head = True
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_timer(self.first_byte_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading_head = True
        self._head_bytes = 0
        self._start_timer(_HEAD_TIMEOUT)

    def on_headers_complete(self) -> None:
        self._reading_head = False
        self._stop_timer()
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            raise ValueError("the request's headers are too large")
        super().on_headers_complete()

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class StrangersProtocol(BoundedProtocol):
    """For listeners that everybody can reach: nobody needs to wait before the first byte."""

    first_byte_timeout = _HEAD_TIMEOUT
