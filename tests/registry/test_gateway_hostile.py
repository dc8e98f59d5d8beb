"""The gateway withstands hostile or broken clients and registries."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE

from . import images
from .programs import Gateway, Registry, gateway

MIB = 2**20
MANIFEST = "/v2/team-a/app/manifests/v1"


@pytest.fixture(autouse=True)
def _limits(tmp_path: Path) -> None:
    images.limits(tmp_path, "full", image_tags=0)
    images.limits(tmp_path, "small", storage="1Mi")


SILENCE = 3.0
"""Seconds after which no further answer is expected on a connection."""


AMBIGUOUS = {
    "both lengths": b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    "in the other order": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "two lengths": b"Content-Length: 4\r\nContent-Length: 40",
    "a list of lengths": b"Content-Length: 4, 4",
    "a sign": b"Content-Length: +4",
    "hexadecimal": b"Content-Length: 0x4",
    "not chunked last": b"Transfer-Encoding: chunked, identity",
    "an unknown coding": b"Transfer-Encoding: xchunked",
    "a space before the colon": b"Transfer-Encoding : chunked",
    "a folded line": b" Transfer-Encoding: chunked",
    "a bare return": b"X: a\rTransfer-Encoding: chunked",
    "a bare line feed": b"X: a\nContent-Length: 4\nTransfer-Encoding: chunked",
    "a zero byte": b"X: a\x00b",
}


async def test_request_with_an_ambiguous_end_reaches_no_registry(
    gate: Gateway, direct: httpx.AsyncClient
) -> None:
    """If the gateway forwarded such a request, the registry could read its rest as an unchecked
    request."""
    await images.push_blob(direct, "team-a/app")
    content = images.image("smuggled")
    hidden = (
        f"PUT {MANIFEST} HTTP/1.1\r\nHost: x\r\nContent-Type: {images.OCI_MANIFEST}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content
    outer = b"PATCH /v2/team-a/app/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\n"

    answers = await asyncio.gather(
        *(
            gate.exchange(outer + head + b"\r\n\r\n0\r\n\r\n" + hidden, SILENCE)
            for head in AMBIGUOUS.values()
        )
    )

    for name, answer in zip(AMBIGUOUS, answers, strict=True):
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ")), (name, answer)
        assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)
    assert await images.tags(direct, "team-a/app") == set()


SPELLINGS = {
    "absolute": "PUT http://elsewhere/v2/full/app/manifests/v1 HTTP/1.1",
    "two slashes": "PUT //v2/full/app/manifests/v1 HTTP/1.1",
    "an encoded slash": "PUT /v2/full/app/manifests%2Fv1 HTTP/1.1",
    "a dot": "PUT /v2/full/./app/manifests/v1 HTTP/1.1",
    "two dots": "PUT /v2/team-b/../full/app/manifests/v1 HTTP/1.1",
    "encoded dots": "PUT /v2/team-b/%2e%2e/full/app/manifests/v1 HTTP/1.1",
    "upper case": "PUT /V2/full/app/manifests/v1 HTTP/1.1",
    "an upper case name": "PUT /v2/Full/app/manifests/v1 HTTP/1.1",
    "a parameter": "PUT /v2/full/app/manifests/v1;x HTTP/1.1",
    "a backslash": "PUT /v2/full/app\\manifests/v1 HTTP/1.1",
    "a lower case method": "put /v2/full/app/manifests/v1 HTTP/1.1",
    "an old version": "PUT /v2/full/app/manifests/v1 HTTP/1.0",
    "a long name": f"PUT /v2/full/{'a' * 300}/manifests/v1 HTTP/1.1",
    "an encoded letter": "PUT /v2/full/%61pp/manifests/v1 HTTP/1.1",
    "a Greek letter": "PUT /v2/full/\N{GREEK SMALL LETTER ALPHA}pp/manifests/v1 HTTP/1.1",
    "a tag in the query": "PUT /v2/full/app/manifests/v1?tag=v2 HTTP/1.1",
    "a digest in the query": "PUT /v2/full/app/manifests/v1?digest=sha512:a HTTP/1.1",
    "two hosts": "PUT /v2/full/app/manifests/v1 HTTP/1.1\r\nHost: y",
    "an upgrade": "PUT /v2/full/app/manifests/v1 HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade",
    "a method in a header": "PUT /v2/full/app/manifests/v1 HTTP/1.1\r\nX-Http-Method: GET",
    "a path in a header": "PUT /v2/full/app/manifests/v1 HTTP/1.1\r\nX-Original-Url: /v2/b/c",
}


async def test_no_spelling_of_a_request_bypasses_the_checks(
    gate: Gateway, direct: httpx.AsyncClient
) -> None:
    await images.push_blob(direct, "full/app")
    content = images.image("past")
    rest = f"\r\nHost: x\r\nContent-Type: {images.OCI_MANIFEST}\r\n"
    rest += f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n"

    for name, line in SPELLINGS.items():
        answers = await gate.exchange((line + rest).encode() + content, SILENCE)

        assert re.match(rb"HTTP/1\.[01] 4\d\d ", answers), (name, answers)
        assert await images.tags(direct, "full/app") == set(), name


async def test_client_with_expect_continue_is_refused_before_it_sends(
    gate: Gateway, client: httpx.AsyncClient
) -> None:
    session = await images.begin_upload(client, "small/app")
    head = f"PUT {session} HTTP/1.1\r\nHost: {gate.host}\r\nExpect: 100-continue\r\n"

    answers = await gate.exchange(f"{head}Content-Length: {2 * MIB}\r\n\r\n".encode(), SILENCE)

    assert answers.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in answers
    assert b"(2Mi > 1Mi)" in answers


async def test_upload_ends_when_its_client_disconnects(
    gate: Gateway, client: httpx.AsyncClient
) -> None:
    session = await images.begin_upload(client, "team-a/app")
    _, writer = await gate.patch(session, f"Content-Length: {10 * MIB}")
    writer.write(bytes(4 * MIB))
    await writer.drain()
    await gate.until_uploading(1)

    writer.transport.abort()
    await gate.until_uploading(0)

    assert (await images.push_blob(client, "team-a/app", bytes(10 * MIB))).status_code == 201


@asynccontextmanager
async def stalling_registry(upstream: Registry) -> AsyncIterator[str]:
    """A proxy to the registry that reads nothing of a PATCH after its head."""
    host, port = upstream.host.split(":")

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"PATCH"):
            await asyncio.sleep(60)
        from_registry, to_registry = await asyncio.open_connection(host, port)
        to_registry.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        while chunk := await from_registry.read(2**16):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0, limit=2**16)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_upload_to_a_stalled_registry_times_out(upstream: Registry, tmp_path: Path) -> None:
    async with (
        stalling_registry(upstream) as url,
        gateway(tmp_path, url, "--idle-timeout", "2") as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        started = await client.post("/v2/team-a/app/blobs/uploads/")
        answer = await client.patch(started.headers["location"], content=images.chunks(32 * MIB))
        await gate.until_uploading(0)

    assert answer.status_code == 503
    assert "does not answer" in answer.json()["errors"][0]["message"]


async def test_upload_of_a_trickling_client_times_out(upstream: Registry, tmp_path: Path) -> None:
    async with (
        gateway(tmp_path, upstream.url, "--idle-timeout", "2") as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        session = await images.begin_upload(client, "team-a/app")
        reader, writer = await gate.patch(session, "Content-Length: 1000000")
        answer = asyncio.create_task(reader.readuntil(b"}]}"))
        async with asyncio.timeout(PATIENCE):
            while not answer.done():
                writer.write(b"x")
                await asyncio.sleep(0.1)
        writer.close()

    text = (await answer).decode()
    assert text.startswith("HTTP/1.1 400 ")
    assert "came in 2 s" in text
