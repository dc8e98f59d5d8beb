"""Sends answers to the client: those of the registry chunk by chunk, and refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from app.gateway.transport import UpstreamError
from app.gateway.upstream import Answer
from app.registry.errors import RegistryError

_LINGER = 5.0
"""Seconds that a refused client may go on sending before the connection ends."""
_LINGER_BYTES = 64 * 2**20
_WATCH_AFTER = 2**20
"""Bytes of an answer after which the gateway looks whether the client has disconnected."""
_WHOLE = 8 * 2**20
"""Bytes of an answer that may be held in memory."""

_END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


class SlowClientError(Exception):
    """The client has read nothing of its answer for too long."""


class Inbox:
    """A `receive` that remembers whether the request has been read completely."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body")
        return message

    async def drain(self) -> None:
        """Read what the client still sends, within bounds."""
        read = 0
        while not self.ended and read < _LINGER_BYTES:
            read += len((await self()).get("body", b""))

    async def until_gone(self) -> None:
        """Return when the client has closed its connection."""
        while (await self())["type"] != "http.disconnect":
            pass


async def relay(
    answer: Answer,
    scope: Scope,
    inbox: Inbox,
    send: Send,
    idle_timeout: float,
    take: Callable[[int], None],
) -> None:
    """Pass an answer on, one chunk at a time.

    `take` is called with the number of bytes that are held in memory for an HTTP/1.0 client. Raises
    what it raises, UpstreamError if the answer breaks off, and SlowClientError if the client reads
    nothing for `idle_timeout` seconds.
    """
    watch = _Watch(inbox)
    try:
        headers, chunks = answer.headers, answer.chunks()
        length = answer.header("content-length")
        if scope["http_version"] == "1.0" and not length:
            whole = await _whole(chunks, take)
            headers = [*headers, (b"content-length", str(len(whole)).encode())]
            chunks = _one(whole)
        async with asyncio.timeout(idle_timeout) as patience:
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            clock = asyncio.get_running_loop().time
            while length != "0":
                patience.reschedule(None)
                chunk = await anext(chunks, None)
                if chunk is None:
                    break
                patience.reschedule(clock() + idle_timeout)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if watch.client_is_gone(len(chunk)):
                    return
            patience.reschedule(clock() + idle_timeout)
            await send(_END)
    except TimeoutError:
        raise SlowClientError from None
    finally:
        watch.end()
        await answer.close()


class _Watch:
    """Looks whether the client has disconnected, once an answer has become long."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._passed = 0
        self._gone: asyncio.Task[None] | None = None

    def client_is_gone(self, passed: int) -> bool:
        """`passed`: bytes since the last call."""
        self._passed += passed
        if self._gone is None and self._passed > _WATCH_AFTER:
            self._gone = asyncio.create_task(self._inbox.until_gone())
        return self._gone is not None and self._gone.done()

    def end(self) -> None:
        if self._gone is not None:
            self._gone.cancel()


async def _whole(chunks: AsyncIterator[bytes], take: Callable[[int], None]) -> bytes:
    """The whole body, for HTTP/1.0 clients, which cannot read chunks.

    Raises UpstreamError for too many bytes.
    """
    content = bytearray()
    async for chunk in chunks:
        take(len(chunk))
        content += chunk
        if len(content) > _WHOLE:
            message = f"the registry answers with more than {_WHOLE} bytes of unknown length"
            raise UpstreamError(message, maybe_done=True)
    return bytes(content)


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def refuse(error: RegistryError, inbox: Inbox, send: Send, idle_timeout: float) -> None:
    """Answer before the whole request has been read. Raises SlowClientError as `relay` does.

    If the gateway closes a connection while the client still sends, the client's system may discard
    the answer. So the gateway sends the answer, and reads on for a while before it closes.
    """
    body = json.dumps(error.body).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **error.headers,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    try:
        async with asyncio.timeout(idle_timeout):
            await send({"type": "http.response.start", "status": error.status, "headers": raw})
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except TimeoutError:
        raise SlowClientError from None
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER):
            await inbox.drain()
    await send(_END)
