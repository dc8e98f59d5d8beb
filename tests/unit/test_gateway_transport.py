"""HTTP to a registry that behaves well or badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from app.gateway.transport import HttpTransport, UpstreamError, WatchedBody
from tests.patience import PATIENCE

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Odd: \xe4\r\n\r\n"


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


@asynccontextmanager
async def transport(
    idle: float = PATIENCE, answer: float = PATIENCE
) -> AsyncIterator[HttpTransport]:
    made = HttpTransport(answer_timeout=answer, idle_timeout=idle)
    try:
        yield made
    finally:
        await made.close()


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def test_request_is_sent_unchanged() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head(reader))
        writer.write(HEAD + b"hello")

    async with server(serve) as url, transport() as subject:
        target = f"{url}/v2/a%2Fb/x?_state=a-b_c%3D%3D&digest=sha256:ab"
        response = await subject.request("GET", target, [(b"accept", b"a/b")], None)
        content = b"".join([chunk async for chunk in response.chunks()])
        await response.close()

    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /v2/a%2Fb/x?_state=a-b_c%3D%3D&digest=sha256:ab HTTP/1.1"
    assert {line.partition(":")[0].lower() for line in lines[1:] if line} == {"host", "accept"}
    assert (response.status, content) == (200, b"hello")
    assert (b"X-Odd", b"\xe4") in response.headers


async def no_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("serve", [no_answer, silence], ids=["it hangs up", "it is silent"])
async def test_missing_answer_means_that_the_registry_may_have_acted(serve: Serve) -> None:
    async with server(serve) as url, transport(answer=0.1) as subject:
        with pytest.raises(UpstreamError) as failure:
            await subject.request("PUT", f"{url}/v2/x", (), b"content")

    assert failure.value.maybe_done
    assert str(failure.value)


@pytest.mark.parametrize(
    ("method", "sent"), [("GET", 2), ("HEAD", 2), ("PUT", 1), ("DELETE", 1), ("POST", 1)]
)
async def test_only_a_read_is_sent_again_if_its_answer_is_lost(method: str, sent: int) -> None:
    """The answer to a second DELETE would say that nothing was there."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head(reader))

    async with server(serve) as url, transport() as subject:
        with pytest.raises(UpstreamError) as failure:
            await subject.request(method, f"{url}/v2/x", (), None)

    assert failure.value.maybe_done
    assert len(seen) == sent


async def test_refused_connection_means_that_the_registry_has_not_acted() -> None:
    async with server(silence) as url:
        pass
    async with transport() as subject:
        with pytest.raises(UpstreamError) as failure:
            await subject.request("PUT", f"{url}/v2/x", (), b"content")

    assert not failure.value.maybe_done
    port = url.rpartition(":")[2]
    assert str(failure.value) == f"cannot connect to 127.0.0.1:{port}: Connection refused"


async def test_exception_of_the_body_is_raised() -> None:
    class FailedError(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise FailedError

    async with server(silence) as url, transport() as subject:
        with pytest.raises(FailedError):
            await subject.request("PATCH", f"{url}/v2/x", (), body())


async def test_registry_that_stops_reading_times_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        await asyncio.sleep(5)

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(2**20)

    async with server(serve) as url, transport(idle=0.1) as subject:
        with pytest.raises(UpstreamError):
            await subject.request("PATCH", f"{url}/v2/x", (), body())


async def test_a_body_may_be_sent_for_a_moment_after_its_request_has_timed_out() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0) as deadline:
            await asyncio.Event().wait()

    assert [chunk async for chunk in WatchedBody(body(), 1, 1).chunks(deadline)] == [b"a", b"b"]


async def test_slow_client_does_not_time_out_the_registry() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(HEAD + b"hello")

    async def body() -> AsyncIterator[bytes]:
        await asyncio.sleep(1.5)
        yield b"x"

    async with server(serve) as url, transport(idle=1, answer=1.2) as subject:
        response = await subject.request("PATCH", f"{url}/v2/x", (), body())
        await response.close()

    assert response.status == 200


async def test_incomplete_answer_is_an_error() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(HEAD + b"he")

    async with server(serve) as url, transport() as subject:
        response = await subject.request("GET", f"{url}/v2/x", (), None)
        with pytest.raises(UpstreamError):
            [chunk async for chunk in response.chunks()]
        await response.close()
