"""HTTP/1.1 with bounds on the head of a request, for listeners that strangers can reach."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers together."""
_HEAD_TIMEOUT = 15.0
"""Seconds for a request line and headers to come in."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends connections that send heads without end, or heads that never end."""

    _reading_head = True
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_timer()

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
        self._start_timer()

    def on_headers_complete(self) -> None:
        self._reading_head = False
        self._stop_timer()
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            raise ValueError("the request's headers are too large")
        super().on_headers_complete()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(_HEAD_TIMEOUT, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
