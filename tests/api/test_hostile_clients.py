"""Connections and heads that come too slowly, too large or too often are ended."""

import asyncio
import ssl
from pathlib import Path

import pytest

from app.api import listener, protocol
from app.api.body import BodyReader
from app.api.connections import Connections
from app.certs import files
from app.certs.reload import ServingContext
from tests.api.raw_client import HEAD, WHOLE, Client, connect, exchange, listening
from tests.patience import PATIENCE


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


async def test_ended_connections_are_not_counted() -> None:
    connections = Connections(limit=2, per_address=2)
    async with listening(BodyReader(1000), connections=connections) as port:
        for _ in range(5):
            client = await connect(port)
            await client.send(WHOLE)
            await client.answer()
            client.close()
        async with asyncio.timeout(PATIENCE):
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
        assert (await exchange(port, head)).startswith(b"HTTP/1.1 400 ")
