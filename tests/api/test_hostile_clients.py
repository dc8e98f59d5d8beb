"""Clients that send too much, too slowly or too often are refused, and others are served."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from app.api import body, listener, protocol
from app.api.body import BodyReader
from app.api.connections import Connections
from app.api.errors import on_http_exception
from app.api.server import Server, listen
from app.certs import files
from app.certs.reload import ServingContext

HEAD = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def listening(
    bodies: BodyReader,
    context: ssl.SSLContext | None = None,
    connections: Connections | None = None,
) -> AsyncIterator[int]:
    """The service's listener on a free port, before an application that only reads bodies."""
    app = FastAPI(exception_handlers={HTTPException: on_http_exception})

    @app.post("/validate")
    async def read(request: Request) -> int:
        return len(await bodies.json(request))

    bound = listen("127.0.0.1", 0)
    server = Server(app, context, shutdown_delay=0, shutdown_timeout=1, connections=connections)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def until_closed(self) -> bytes:
        """All that comes until the other side ends the connection."""
        async with asyncio.timeout(20):
            return await self._reader.read()

    async def answer(self) -> bytes:
        async with asyncio.timeout(20):
            return await self._reader.readuntil(b"\r\n")

    def close(self) -> None:
        self._writer.close()


async def connect(port: int, address: str = "127.0.0.1") -> Client:
    """A connection from an address of this machine."""
    opened = asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    return Client(*await opened)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(HEAD, id="headers that never end"),
        pytest.param(b"POST /vali", id="a path that never ends"),
    ],
)
async def test_slow_head_ends_the_connection(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    monkeypatch.setattr(protocol.BoundedProtocol, "first_byte_timeout", 0.2)
    async with listening(BodyReader(1000)) as port:
        slow = await connect(port)
        await slow.send(head)

        assert await slow.until_closed() == b""


async def test_missing_handshake_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT", 0.2)
    files.make(tmp_path, ["localhost"])
    context = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY).ssl
    async with listening(BodyReader(1000), context) as port:
        assert await (await connect(port)).until_closed() == b""


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n{", id="half a body"),
        pytest.param(WHOLE, id="a request, and no other"),
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.3"])
async def test_flood_of_waiting_connections_does_not_block_others(
    sent: bytes, address: str
) -> None:
    """An honest client gets an answer, from its own address and from an address of the flood."""
    connections = Connections(limit=20, per_address=10)
    async with listening(BodyReader(1000), connections=connections) as port:
        flood = [await connect(port, f"127.0.0.{2 + number % 4}") for number in range(80)]
        for client in flood:
            await client.send(sent)
        for _ in range(3):
            honest = await connect(port, address)
            await honest.send(WHOLE)
            assert await honest.answer() == b"HTTP/1.1 200 OK\r\n"
        assert connections.open <= 60
        for client in flood:
            client.close()


async def test_burst_from_one_address_loses_no_review(tmp_path: Path) -> None:
    """An API server sends more reviews at once than the bound of its address."""
    files.make(tmp_path, ["localhost"])
    serving = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY).ssl
    trusting = ssl.create_default_context(cafile=tmp_path / files.AUTHORITY)
    connections = Connections(limit=40, per_address=20)
    async with listening(BodyReader(1000), serving, connections) as port:

        async def review() -> bytes:
            opened = asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
            )
            client = Client(*await opened)
            await client.send(WHOLE)
            answer = await client.answer()
            client.close()
            return answer

        answers = await asyncio.gather(*(review() for _ in range(40)))

    assert set(answers) == {b"HTTP/1.1 200 OK\r\n"}


STALLED = HEAD + b"Content-Length: 1000\r\n\r\n{" + b" " * 900


@pytest.mark.parametrize(
    ("address", "size"),
    [
        pytest.param("127.0.0.3", 1000, id="a body of the largest size from elsewhere"),
        pytest.param("127.0.0.2", 100, id="a small body from the same address"),
    ],
)
async def test_stalled_bodies_do_not_block_others(address: str, size: int) -> None:
    async with listening(BodyReader(1000)) as port:
        flood = [await connect(port, "127.0.0.2") for _ in range(20)]
        for client in flood:
            await client.send(STALLED)
        for _ in range(5):
            honest = await connect(port, address)
            sent = b"{" + b" " * (size - 2) + b"}"
            await honest.send(HEAD + b"Content-Length: %d\r\n\r\n%b" % (size, sent))
            assert await honest.answer() == b"HTTP/1.1 200 OK\r\n"
            honest.close()
        for client in flood:
            client.close()


async def test_body_at_its_timeout_can_be_refused_for_others() -> None:
    bodies = BodyReader(1000, timeout=0.2)

    async def read(wait: float) -> bytes:
        chunks = [b" " * 1000]

        async def receive() -> dict[str, Any]:
            if not chunks:
                await asyncio.Event().wait()
            await asyncio.sleep(wait)
            return {"type": "http.request", "body": chunks.pop(), "more_body": True}

        return await bodies.read(Request({"type": "http", "headers": []}, receive))

    reading = [asyncio.create_task(read(0)) for _ in range(8)]
    await asyncio.sleep(0.1)
    reading.append(asyncio.create_task(read(0.05)))
    await asyncio.sleep(0.01)
    # Blocks the loop: then the ninth body comes in one step with the end of the others' time.
    asyncio.get_running_loop().call_soon(time.sleep, 0.12)
    ended = await asyncio.gather(*reading, return_exceptions=True)

    assert {getattr(error, "status_code", error) for error in ended} <= {408, 429}


async def test_slow_large_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PACE", 0.2)
    async with listening(BodyReader(10**6, timeout=1000)) as port:
        slow = await connect(port)
        await slow.send(HEAD + b"Content-Length: 900000\r\n\r\n{" + b" " * 100_000)

        answer = await slow.until_closed()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"less than 65536 bytes of the body came in 0.2 s" in answer


async def test_ended_connections_are_not_counted() -> None:
    connections = Connections(limit=2, per_address=2)
    async with listening(BodyReader(1000), connections=connections) as port:
        for _ in range(5):
            client = await connect(port)
            await client.send(WHOLE)
            await client.answer()
            client.close()
        async with asyncio.timeout(20):
            while connections.open:
                await asyncio.sleep(0.01)


async def test_second_head_has_the_same_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.5)
    async with listening(BodyReader(1000)) as port:
        slow = await connect(port)
        await slow.send(WHOLE)
        assert await slow.answer() == b"HTTP/1.1 200 OK\r\n"
        await slow.send(HEAD)

        assert b"HTTP/1.1" not in await slow.until_closed()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD + b"X: " + b"a" * 70_000, id="one endless header"),
        pytest.param(HEAD + b"".join(b"X%d: a\r\n" % n for n in range(9000)), id="many"),
        pytest.param(b"POST /" + b"a" * 70_000, id="an endless path"),
    ],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with listening(BodyReader(1000)) as port:
        large = await connect(port)
        await large.send(head)

        assert (await large.until_closed()).startswith(b"HTTP/1.1 400 ")


async def test_slow_body_ends_the_connection() -> None:
    async with listening(BodyReader(1000, timeout=0.2)) as port:
        slow = await connect(port)
        await slow.send(HEAD + b"Content-Length: 100\r\n\r\n{")

        answer = await slow.until_closed()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come in 0.2 s" in answer


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: 100000000\r\n\r\n", id="as declared"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n" + b"100\r\n" + b" " * 256 + b"\r\n" + b"100\r\n",
            id="in chunks without end",
        ),
    ],
)
async def test_oversized_body_is_not_read_to_its_end(body: bytes) -> None:
    async with listening(BodyReader(200)) as port:
        large = await connect(port)
        await large.send(HEAD + body)

        assert (await large.until_closed()).startswith(b"HTTP/1.1 413 ")


async def test_concurrent_bodies_share_a_bounded_memory() -> None:
    bodies = BodyReader(1000)
    async with listening(bodies) as port:
        slow = [await connect(port) for _ in range(20)]
        for client in slow:
            await client.send(HEAD + b"Content-Length: 1000\r\n\r\n{" + b" " * 900)
        refused = [asyncio.create_task(client.until_closed()) for client in slow]
        done, pending = await asyncio.wait(refused, timeout=2)
        assert {task.result()[:13] for task in done} == {b"HTTP/1.1 429 "}
        assert len(pending) == 8

        for client in slow:
            client.close()
        await asyncio.wait(pending)
        quick = await connect(port)
        await quick.send(WHOLE)
        assert await quick.answer() == b"HTTP/1.1 200 OK\r\n"
