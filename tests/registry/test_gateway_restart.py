"""The gateway's counts survive restarts and changes that bypass it."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.patience import PATIENCE

from . import images
from .programs import ON_BOTH, Gateway, Registry, gateway, gateway_refusal, registry

FEW = httpx.Limits(max_connections=20)
"""Many pushes are left when the first ones have ended."""


@ON_BOTH
async def test_counts_are_exact_after_the_gateway_was_killed(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", image_tags=250, images=1000)
    async with (
        gateway(tmp_path, upstream.url) as first,
        httpx.AsyncClient(base_url=first.url, limits=FEW, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, "team-a/app")
        pushes = [asyncio.create_task(push(client, n)) for n in range(200)]
        while sum(task.done() for task in pushes) < 10:
            await asyncio.sleep(0.001)
        await first.kill()
        await asyncio.gather(*pushes, return_exceptions=True)
    stored = await images.tags(direct, "team-a/app")
    assert 10 <= len(stored) < 200

    async with (
        gateway(tmp_path, upstream.url) as second,
        httpx.AsyncClient(base_url=second.url, timeout=PATIENCE) as client,
    ):
        retried = [await push(client, n) for n in range(260)]

    assert [answer.status_code for answer in retried] == [201] * 250 + [403] * 10
    assert len(await images.tags(direct, "team-a/app")) == 250


@ON_BOTH
async def test_push_without_an_answer_is_counted_by_its_outcome(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", image_tags=3)
    async with (
        silent_proxy(upstream) as (url, cut),
        gateway(tmp_path, url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, "team-a/app")
        await push(client, 0)
        cut.set()
        unanswered = await push(client, 1)
        cut.clear()
        await asyncio.sleep(2.5)
        answers = [await push(client, n) for n in (2, 3)]

    assert unanswered.status_code == 503
    assert unanswered.headers["retry-after"] == "5"
    assert await images.tags(direct, "team-a/app") == {"v0", "v1", "v2"}
    assert [answer.status_code for answer in answers] == [201, 403]


@ON_BOTH
async def test_full_registry_is_read_at_the_first_start(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    for repository in ("team-a/app", "team-a/web/app", "team-b/app"):
        await images.push_blob(direct, repository)
        for tag in ("v1", "v2"):
            await images.push_manifest(direct, repository, tag, images.image(tag))
    images.limits(tmp_path, "team-a", imagestreams=2, images=2, image_tags=5)

    async with (
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        first = await client.put(
            "/v2/team-a/other/manifests/v1",
            content=images.image("v1"),
            headers={"Content-Type": images.OCI_MANIFEST},
        )
        image = await images.push_manifest(client, "team-a/app", "v3", images.image("new"))
        retagged = await images.push_manifest(client, "team-a/app", "v3", images.image("v1"))

    assert (first.status_code, image.status_code, retagged.status_code) == (403, 403, 201)
    assert "alauda.io/imagestreams=2" in first.json()["errors"][0]["message"]
    assert "used: alauda.io/images=2" in image.json()["errors"][0]["message"]


@ON_BOTH
async def test_changes_that_bypass_the_gateway_are_found(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", image_tags=2)
    async with (
        gateway(tmp_path, upstream.url, "--compare-interval", "0.5") as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, "team-a/app")
        assert (await push(client, 1)).status_code == 201
        await images.push_manifest(direct, "team-a/app", "behind", images.image("behind"))
        await until(client, 2, 403)

        digest = images.digest_of(images.image("behind"))
        assert (await direct.delete(f"/v2/team-a/app/manifests/{digest}")).status_code == 202
        await until(client, 2, 201)

    assert await images.tags(direct, "team-a/app") == {"v1", "v2"}


async def test_full_disk_refuses_pushes_until_there_is_room(
    upstream: Registry, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", image_tags=2)
    async with (
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, "team-a/app")
        assert (await push(client, 1)).status_code == 201
        written = (tmp_path / "gateway.db-wal").stat().st_size
        limit_files(gate, written)

        refused = await push(client, 2)
        stored = await images.tags(client, "team-a/app")
        digest = images.digest_of(images.image("v1"))
        deleted = await client.delete(f"/v2/team-a/app/manifests/{digest}")
        limit_files(gate, resource.RLIM_INFINITY)
        await until(client, 2, 201)
        await until(client, 3, 201)
        full = await push(client, 4)

    assert refused.status_code == 503
    assert "cannot write down what it counts" in refused.json()["errors"][0]["message"]
    assert (stored, deleted.status_code) == ({"v1"}, 202)
    assert full.status_code == 403


def limit_files(gate: Gateway, size: int) -> None:
    """Limit the size of the gateway's files, as a full disk does."""
    resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def test_a_database_is_about_one_registry(
    upstream: Registry, tools: Path, tmp_path: Path
) -> None:
    async with gateway(tmp_path, upstream.url) as gate:
        assert await gate.stop() == 0
    (tmp_path / "other").mkdir()
    async with registry(tools, tmp_path / "other") as other:
        refused = await gateway_refusal(tmp_path, other.url)

    assert f"has the counts of {upstream.url}, not of {other.url}" in refused


async def test_a_second_gateway_does_not_share_the_database(
    upstream: Registry, gate: Gateway, tmp_path: Path
) -> None:
    assert "another gateway is using it" in await gateway_refusal(tmp_path, upstream.url)


async def push(client: httpx.AsyncClient, number: int) -> httpx.Response:
    name = f"v{number}"
    return await images.push_manifest(client, "team-a/app", name, images.image(name))


async def until(client: httpx.AsyncClient, number: int, status: int) -> None:
    """Push until the answer has this status. A successful push is deleted again."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await push(client, number)).status_code != status:
            if answer.status_code == 201:
                digest = images.digest_of(images.image(f"v{number}"))
                await client.delete(f"/v2/team-a/app/manifests/{digest}")
            await asyncio.sleep(0.2)


@asynccontextmanager
async def silent_proxy(upstream: Registry) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A proxy that, once `cut` is set, forwards requests and drops the answers."""
    host, port = upstream.host.split(":")
    cut = asyncio.Event()

    async def pump(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while chunk := await reader.read(2**16):
            if answers and cut.is_set():
                break
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_registry, to_registry = await asyncio.open_connection(host, port)
        await asyncio.gather(
            pump(reader, to_registry, answers=False),
            pump(from_registry, writer, answers=True),
            return_exceptions=True,
        )

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        port_of_proxy = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port_of_proxy}", cut
