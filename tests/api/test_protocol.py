"""How the listener parses the bytes of a request."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.api.server import Server, listen
from tests.patience import PATIENCE

CHUNKED = b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with the request that it received."""
    request = Request(scope, receive)
    body = (await request.body()).decode()
    headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    await JSONResponse({"body": body, "headers": headers})(scope, receive, send)


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    bound = listen("127.0.0.1", 0)
    server = Server(told, None, shutdown_delay=0, shutdown_timeout=1)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield bound.getsockname()[1]
    server.should_exit = True
    await serving


async def answers(port: int, *parts: bytes) -> bytes:
    """All bytes that arrive on one connection. The last request must ask to close it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.02)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    return answer


LAST = b"GET /y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param([b"", b"Authorization: Basic eDp5\r\n\r\n"], id="credentials"),
        pytest.param([b"", b"Host: b\r\n\r\n"], id="another host"),
        pytest.param([b"", b"X-A: b\r\n", b"X-B: c\r\n\r\n"], id="one after the other"),
    ],
)
async def test_trailers_are_no_headers(port: int, trailers: list[bytes]) -> None:
    answer = await answers(port, CHUNKED, *trailers, LAST)

    assert answer.count(b"HTTP/1.1 200") == 2
    first = answer.partition(b"HTTP/1.1 200")[2].partition(b"HTTP/1.1 200")[0]
    assert b'{"body":"ab","headers":[["host","a"],["transfer-encoding","chunked"]]}' in first


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(b"GET /\xc3\xa9 HTTP/1.1", id="a path that is not ASCII"),
        pytest.param(b"CONNECT a:1 HTTP/1.1", id="a tunnel"),
        pytest.param(b"G\x00T /x HTTP/1.1", id="a zero byte"),
    ],
)
async def test_request_line_that_cannot_be_read_is_refused(port: int, request_line: bytes) -> None:
    answer = await answers(port, request_line + b"\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_requests_in_one_piece_are_answered_one_after_another(port: int) -> None:
    put = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"

    answer = await answers(port, put + b"1" + put + b"2" + LAST)

    assert re.findall(rb'"body":"(.?)"', answer) == [b"1", b"2", b""]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
async def test_body_of_a_request_that_needs_none_is_not_the_next_request(
    port: int, method: bytes
) -> None:
    hidden = b"PUT /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    head = method + b" /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(hidden)

    assert (await answers(port, head + hidden + LAST)).count(b"HTTP/1.1 200") == 2
