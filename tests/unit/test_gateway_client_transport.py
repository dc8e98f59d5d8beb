"""The distribution client asks through the gateway's HTTP transport."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.gateway.client_transport import ClientTransport
from app.gateway.transport import HttpTransport
from app.registry.client import RegistryClient, RegistryUnavailableError, StoredManifest
from tests.patience import PATIENCE
from tests.unit.pushes import digest_of, image
from tests.unit.test_gateway_transport import Serve, head, server

DIGEST = digest_of(image())
FOUND = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n"
    f"Docker-Content-Digest: {DIGEST}\r\nContent-Length: {len(image())}\r\n\r\n"
).encode()


@asynccontextmanager
async def client(serve: Serve) -> AsyncIterator[RegistryClient]:
    async with server(serve) as url:
        transport = HttpTransport(answer_timeout=PATIENCE, idle_timeout=PATIENCE)
        made = RegistryClient(url, transport=ClientTransport(transport))
        try:
            yield made
        finally:
            await made.close()


def http() -> httpx.AsyncClient:
    transport = HttpTransport(answer_timeout=PATIENCE, idle_timeout=PATIENCE)
    return httpx.AsyncClient(transport=ClientTransport(transport))


async def test_manifests_are_read_over_one_connection() -> None:
    connections: list[list[bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append([])
        while True:
            try:
                request = await head(reader)
            except asyncio.IncompleteReadError:
                return
            connections[-1].append(request.partition(b" HTTP/")[0])
            writer.write(FOUND + (b"" if request.startswith(b"HEAD") else image()))

    async with client(serve) as subject:
        stored = await subject.manifest_head("team-a/app", "v1")
        content = await subject.content("team-a/app", DIGEST)

    assert stored == StoredManifest(DIGEST, "application/vnd.oci.image.manifest.v1+json")
    assert content is not None
    assert content.content == image()
    assert connections == [
        [
            b"HEAD /v2/team-a/app/manifests/v1",
            f"GET /v2/team-a/app/manifests/{DIGEST}".encode(),
        ]
    ]


async def test_body_of_a_request_is_sent() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await head(reader))
        asked.append(await reader.readexactly(len(b"scope=pull")))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with server(serve) as url, http() as subject:
        answer = await subject.post(f"{url}/token", data={"scope": "pull"})

    assert answer.status_code == 200
    assert asked[0].startswith(b"POST /token")
    assert asked[1] == b"scope=pull"


@pytest.mark.parametrize("unread", [True, False], ids=["an unread answer", "the client"])
async def test_closing_ends_the_connection(unread: bool) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(FOUND + (b"{" if unread else image()))
        await reader.read()
        ended.set()

    async with server(serve) as url, http() as subject:
        async with subject.stream("GET", url) as answer:
            if not unread:
                await answer.aread()
        if not unread:
            await subject.aclose()
        await asyncio.wait_for(ended.wait(), PATIENCE)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(b"", "Server disconnected", id="no answer"),
        pytest.param(FOUND + b"{", "Response payload is not completed", id="an incomplete answer"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", "Bad status line", id="not HTTP"),
    ],
)
async def test_failure_names_the_question(answer: bytes, problem: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(answer)

    async with client(serve) as subject:
        with pytest.raises(RegistryUnavailableError) as error:
            await subject.content("team-a/app", "v1")

    assert "GET http://127.0.0.1" in str(error.value)
    assert problem in str(error.value)
