"""The events of a watch are read from an HTTP stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from kubernetes_asyncio.client import ApiClient, Configuration
from pydantic_core import to_json

from app.cluster.api import MAX_EVENT, ApiError, Content, KubeApi
from app.cluster.watch_stream import lines


@asynccontextmanager
async def serving(*chunks: bytes, max_event: int = MAX_EVENT) -> AsyncIterator[KubeApi]:
    """An API server whose watches send these bytes and end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        return response

    application = web.Application()
    application.router.add_get("/api/v1/things", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    client = ApiClient(Configuration(host=f"http://127.0.0.1:{port}"))
    api = KubeApi(client, max_event)
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


async def events(api: KubeApi) -> list[Content]:
    async with aclosing(api.watch("/api/v1/things", {})) as found:
        return [event async for event in found]


def event(size: int) -> Content:
    return {"type": "ADDED", "object": {"note": "x" * size}}


@pytest.mark.parametrize("sizes", [[0], [1, 2, 3], [9 * 2**20], [1, 9 * 2**20, 1]])
async def test_event_of_any_size_is_read(sizes: Sequence[int]) -> None:
    sent = [event(size) for size in sizes]

    async with serving(*(to_json(one) + b"\n" for one in sent)) as api:
        assert await events(api) == sent


async def test_event_may_be_split_anywhere() -> None:
    sent = [event(3), event(5)]
    text = b"\n".join(map(to_json, sent))

    async with serving(*(text[at : at + 1] for at in range(len(text)))) as api:
        assert await events(api) == sent


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"abcd", b"\n"], id="an event of the maximum"),
        pytest.param([b"abc", b"\nab", b"c\n"], id="events that exceed it together"),
        pytest.param([b"abcdefgh\n"], id="an event in one piece"),
    ],
)
async def test_only_the_unfinished_part_of_one_event_is_bounded(chunks: Sequence[bytes]) -> None:
    protocol = BaseProtocol(asyncio.get_running_loop())
    protocol.connection_made(asyncio.Transport())
    stream = aiohttp.StreamReader(protocol, 2**16)

    async def feed() -> None:
        for chunk in chunks:
            stream.feed_data(chunk)
            await asyncio.sleep(0)
        stream.feed_eof()

    feeding = asyncio.create_task(feed())
    found = [line async for line in lines(stream, 4)]
    await feeding

    assert found == b"".join(chunks).splitlines()


async def test_endless_event_is_an_error() -> None:
    async with serving(b"x" * 2**21, max_event=2**20) as api:
        with pytest.raises(ApiError, match="an event is larger than 1 MiB"):
            await events(api)
