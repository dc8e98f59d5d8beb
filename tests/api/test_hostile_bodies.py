"""Bodies that are too large, too slow or too many are refused, and others are served."""

import asyncio
import time
from asyncio import FIRST_COMPLETED
from typing import Any

import pytest
from fastapi import Request

from app.api import body
from app.api.body import BodyReader
from tests.api.raw_client import HEAD, WHOLE, connect, exchange, listening
from tests.patience import PATIENCE

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
        assert (await exchange(port, HEAD + body)).startswith(b"HTTP/1.1 413 ")


async def test_concurrent_bodies_share_a_bounded_memory() -> None:
    bodies = BodyReader(1000)
    async with listening(bodies) as port:
        slow = [await connect(port) for _ in range(20)]
        for client in slow:
            await client.send(HEAD + b"Content-Length: 1000\r\n\r\n{" + b" " * 900)
        answers = [asyncio.create_task(client.until_closed()) for client in slow]
        refused = set[asyncio.Task[bytes]]()
        async with asyncio.timeout(PATIENCE):
            while len(refused) < 12:
                done = await asyncio.wait(set(answers) - refused, return_when=FIRST_COMPLETED)
                refused |= done[0]
        assert {task.result()[:13] for task in refused} == {b"HTTP/1.1 429 "}
        assert len(refused) == 12

        for client in slow:
            client.close()
        await asyncio.wait(answers)
        quick = await connect(port)
        await quick.send(WHOLE)
        assert await quick.answer() == b"HTTP/1.1 200 OK\r\n"
