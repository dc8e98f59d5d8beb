"""A client without credentials learns nothing from a gateway before a private registry."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.patience import PATIENCE

from . import images
from .programs import Clients, Gateway, Registry, gateway, registry

USER, PASSWORD = "pusher", "secret"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
MIB = 2**20
CHUNKED = (
    b"PATCH /v2/team-a/app/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Basic " + BASIC.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest_asyncio.fixture
async def upstream(tools: Path, tmp_path: Path) -> AsyncIterator[Registry]:
    images.limits(tmp_path, "team-a", storage="1Mi", image_tags=1)
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    async with registry(tools, tmp_path, auth=auth) as running:
        yield running


@pytest_asyncio.fixture
async def gate(upstream: Registry, tmp_path: Path) -> AsyncIterator[Gateway]:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {upstream.host: {"auth": BASIC}}}))
    async with gateway(tmp_path, upstream.url, "--upstream-auth", str(config)) as running:
        yield running


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param({}, id="no credentials"),
        pytest.param({"Authorization": "Basic bm9ib2R5Ondyb25n"}, id="wrong credentials"),
    ],
)
async def test_unauthenticated_client_gets_the_registrys_answer_and_no_limit(
    client: httpx.AsyncClient, credentials: dict[str, str]
) -> None:
    path = "/v2/team-a/app"
    too_large = {
        "layers": [{"mediaType": "x/y", "digest": images.digest_of(b"x"), "size": 2 * MIB}]
    }
    answers = [
        await client.put(
            f"{path}/manifests/v1",
            content=images.image("large", **too_large),
            headers={"Content-Type": images.OCI_MANIFEST, **credentials},
        ),
        await client.post(f"{path}/blobs/uploads/", content=bytes(2 * MIB), headers=credentials),
        await client.patch(
            f"{path}/blobs/uploads/any", content=bytes(2 * MIB), headers=credentials
        ),
    ]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="test"'
        assert "Mi" not in answer.text


async def test_unauthenticated_push_reserves_nothing(client: httpx.AsyncClient) -> None:
    known = {"Authorization": f"Basic {BASIC}"}
    for n in range(5):
        assert (
            await images.push_manifest(client, "team-a/app", f"v{n}", images.image(f"v{n}"))
        ).status_code == 401
    client.headers.update(known)
    await images.push_blob(client, "team-a/app")

    pushed = await images.push_manifest(client, "team-a/app", "mine", images.image("mine"))

    assert pushed.status_code == 201


async def test_a_client_that_logs_in_pushes_and_is_told_the_limit(
    gate: Gateway, clients: Clients, tmp_path: Path
) -> None:
    small = images.layer_file(tmp_path / "small.tar", MIB // 2)
    large = images.layer_file(tmp_path / "large.tar", 2 * MIB)
    login = await clients.crane("auth", "login", gate.host, "-u", USER, "-p", PASSWORD)
    assert login.code == 0, login.output

    pushed = await clients.crane("append", "-f", small, "-t", f"{gate.host}/team-a/app:v1")
    refused = await clients.crane("append", "-f", large, "-t", f"{gate.host}/team-a/app:v2")

    assert pushed.code == 0, pushed.output
    assert "> 1Mi)" in refused.output


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /v2/ HTTP/1.1\r\n" + b"X: " + b"a" * 70_000, id="one endless header"),
        pytest.param(
            b"GET /v2/ HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(9000)),
            id="headers without end",
        ),
        pytest.param(b"GET /v2/" + b"a" * 70_000, id="an endless path"),
    ],
)
async def test_heads_of_requests_are_bounded(gate: Gateway, head: bytes) -> None:
    assert (await gate.exchange(head)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("start", "more"),
    [
        pytest.param(b"0\r\nX: ", b"a" * 2**16, id="one endless trailer"),
        pytest.param(b"0\r\n", b"X: a\r\n" * 2**14, id="trailers without end"),
        pytest.param(b"1;x=", b"a" * 2**16, id="an endless chunk extension"),
    ],
)
async def test_lines_between_and_after_chunks_are_bounded(
    gate: Gateway, start: bytes, more: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*gate.host.split(":"))
    writer.write(CHUNKED + start)
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while not reader.at_eof() and sent < 64 * MIB:
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0)
                sent += len(more)
    writer.close()

    assert sent < 16 * MIB
    assert gate.resident_bytes() < 150 * MIB


async def test_upload_gets_429_after_waiting_for_a_slot(upstream: Registry, tmp_path: Path) -> None:
    known = {"Authorization": f"Basic {BASIC}"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {upstream.host: {"auth": BASIC}}}))
    flags = (
        "--upstream-auth", str(config), "--max-uploads", "1", "--upload-wait", "0.5",
        "--idle-timeout", "5",
    )  # fmt: skip
    async with (
        gateway(tmp_path, upstream.url, *flags) as gate,
        httpx.AsyncClient(base_url=gate.url, headers=known, timeout=PATIENCE) as client,
    ):
        first = await client.post("/v2/team-a/app/blobs/uploads/")
        second = await client.post("/v2/team-a/app/blobs/uploads/")
        refused = asyncio.Event()
        slow = client.patch(first.headers["location"], content=stalling_after(refused, gate))
        stalling = asyncio.create_task(slow)
        await gate.until_uploading(1)

        busy = await client.patch(second.headers["location"], content=bytes(10))
        refused.set()
        stalled = await stalling
        free = await client.patch(second.headers["location"], content=bytes(10))

    assert (busy.status_code, busy.headers["retry-after"]) == (429, "5")
    assert busy.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert stalled.status_code == 400
    assert "less than 16384 bytes came in 5 s" in stalled.text
    assert free.status_code == 202


async def stalling_after(event: asyncio.Event, gate: Gateway) -> AsyncIterator[bytes]:
    """A body that makes progress until the event, and then none until the gateway gives it up."""
    while not event.is_set():
        yield bytes(2**14)
        await asyncio.sleep(0.5)
    await gate.until_uploading(0)
    yield bytes(10)
