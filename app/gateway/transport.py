"""HTTP requests to the registry. Bodies pass chunk by chunk."""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from yarl import URL

from app.cluster.connection_errors import connection_problem

_CONNECT = 10.0
"""Seconds to wait for a free connection, and to open one."""
_MAX_CONNECTIONS = 512
_KEEP_ALIVE = 30.0
_READ_BUFFER = 2**18
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

Body = bytes | AsyncIterable[bytes] | None
RawHeaders = Sequence[tuple[bytes, bytes]]


class UpstreamError(Exception):
    """The registry did not answer. `maybe_done`: it may have acted on the request."""

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class Response(Protocol):
    """An answer whose head has been read. The caller has to close it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> RawHeaders:
        """Headers as the registry sent them."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as the registry sent it. Raises UpstreamError if it is incomplete."""
        ...

    async def close(self) -> None: ...


class Transport(Protocol):
    async def request(self, method: str, url: str, headers: RawHeaders, body: Body) -> Response:
        """Raises UpstreamError, and what reading the body raises."""
        ...

    async def close(self) -> None: ...


class HttpTransport:
    """Sends requests with aiohttp. It follows no redirect, keeps no cookie, decodes no content,
    uses no proxy and adds no header."""

    def __init__(
        self, *, answer_timeout: float, idle_timeout: float, context: ssl.SSLContext | None = None
    ) -> None:
        """`answer_timeout`: seconds that the registry may take to answer a whole request.
        `idle_timeout`: seconds that it may take for the next part of a body."""
        self._answer_timeout = answer_timeout
        self._idle_timeout = idle_timeout
        self._context = context
        self._opened: _Sessions | None = None

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.reads.close()
            await self._opened.writes.close()

    async def request(self, method: str, url: str, headers: RawHeaders, body: Body) -> Response:
        """Raises UpstreamError, and what reading the body raises."""
        opened = self._opened = self._opened or self._open()
        session = opened.reads if method in _READS else opened.writes
        watched = None
        if body is not None and not isinstance(body, bytes):
            watched = WatchedBody(body, self._idle_timeout, self._answer_timeout)
        try:
            async with asyncio.timeout(self._answer_timeout) as deadline:
                response = await session.request(
                    method,
                    URL(url, encoded=True),
                    headers=[(_decode(name), _decode(value)) for name, value in headers],
                    data=watched.chunks(deadline) if watched else body,
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise (watched and watched.error) or UpstreamError(
                _problem(error), maybe_done=not isinstance(error, _NEVER_SENT)
            ) from None
        finally:
            if watched:
                watched.deadline = None
        return _AiohttpResponse(response)

    def _open(self) -> "_Sessions":
        connector = aiohttp.TCPConnector(
            limit=_MAX_CONNECTIONS,
            keepalive_timeout=_KEEP_ALIVE,
            ssl=self._context if self._context is not None else True,
        )
        timeout = aiohttp.ClientTimeout(
            total=None, connect=_CONNECT, sock_connect=_CONNECT, sock_read=self._answer_timeout
        )
        reads, writes = (
            aiohttp.ClientSession(
                connector=connector,
                connector_owner=owner,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=timeout,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                auto_decompress=False,
                read_bufsize=_READ_BUFFER,
            )
            for owner in (False, True)
        )
        # Otherwise aiohttp sends a PUT or DELETE again if its answer is lost. The second answer
        # does not say what the first request did. The attribute is private, and tested.
        writes._retry_connection = False
        return _Sessions(reads, writes)


def _problem(error: Exception) -> str:
    # The text of an error of TLS is kept: `causes` finds the next step by it.
    tls = isinstance(error, aiohttp.ClientSSLError)
    if isinstance(error, aiohttp.ClientConnectorError) and not tls:
        return f"cannot connect to {error.host}:{error.port}: {connection_problem(error.os_error)}"
    return str(error) or type(error).__name__


@dataclass(frozen=True)
class _Sessions:
    """Two sessions with shared connections."""

    reads: aiohttp.ClientSession
    writes: aiohttp.ClientSession


class WatchedBody:
    """A request body that sets a deadline for the registry and remembers its own exception."""

    def __init__(
        self, body: AsyncIterable[bytes], idle_timeout: float, answer_timeout: float
    ) -> None:
        self.deadline: asyncio.Timeout | None = None
        """When the request times out; None once the registry has answered."""
        self.error: Exception | None = None
        self._body = body
        self._idle_timeout = idle_timeout
        self._answer_timeout = answer_timeout

    async def chunks(self, deadline: asyncio.Timeout) -> AsyncIterator[bytes]:
        self.deadline = deadline
        self._answer_within(None)
        try:
            async for chunk in self._body:
                self._answer_within(self._idle_timeout)
                yield chunk
                self._answer_within(None)
        except Exception as error:
            self.error = error
            raise
        self._answer_within(self._answer_timeout)

    def _answer_within(self, seconds: float | None) -> None:
        """`None`: no deadline while the client sends the next part, which has its own timeout.

        A request that has timed out may still send for a moment.
        """
        if self.deadline is not None and not self.deadline.expired():
            now = asyncio.get_running_loop().time()
            self.deadline.reschedule(None if seconds is None else now + seconds)


class _AiohttpResponse:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = response.raw_headers
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises UpstreamError."""
        try:
            while chunk := await self._response.content.readany():
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamError(str(error) or type(error).__name__, maybe_done=True) from None

    async def close(self) -> None:
        """Keep the connection if the whole body has been read, and close it otherwise."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _decode(text: bytes) -> str:
    """A header as text. aiohttp encodes it as UTF-8 again."""
    return text.decode("utf-8", "replace")
