"""How long a request to the API server waits, and what its failure says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration

from app.cluster.api import ApiError, KubeApi, is_unanswered
from tests.patience import PATIENCE

PATH = "/api/v1/things"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
SHORT = 0.5
SILENT = "no answer within 0.5 seconds"


@asynccontextmanager
async def serving(
    *parts: bytes, patience: float, pause: float = 0, hangs_up: bool = False
) -> AsyncIterator[KubeApi]:
    """A client of an API server that answers with these bytes, and then says no more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if hangs_up:
            writer.close()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    api = KubeApi(ApiClient(Configuration(host=f"http://127.0.0.1:{port}")), patience=patience)
    try:
        yield api
    finally:
        await api.close()
        server.close()


@pytest.mark.parametrize(
    ("parts", "hangs_up", "said"),
    [
        ([], False, SILENT),
        ([HEAD % 2, b"{"], False, SILENT),
        ([], True, "Server disconnected"),
        ([HEAD % 1, b"{"], False, "EOF while parsing an object at line 1 column 1"),
    ],
    ids=["silent", "silent in the body", "disconnected", "not JSON"],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_failed_request_says_why(
    parts: Sequence[bytes], hangs_up: bool, said: str, method: str
) -> None:
    patience = SHORT if said == SILENT else PATIENCE
    async with serving(*parts, patience=patience, hangs_up=hangs_up) as api:
        with pytest.raises(ApiError) as failed:
            await (api.get(PATH) if method == "GET" else api.delete(PATH))

    assert str(failed.value) == f"{method} {PATH}: {said}"
    assert is_unanswered(failed.value)


async def test_an_answer_may_take_long_while_parts_of_it_arrive() -> None:
    text = b'{"items": []}'
    parts = [HEAD % len(text), *(text[at : at + 1] for at in range(len(text)))]

    async with serving(*parts, patience=2, pause=0.2) as api:
        assert await api.get(PATH) == {"items": []}
