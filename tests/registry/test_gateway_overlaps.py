"""Requests at once on one upload session, or one tag, do not hide what the registry stores."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from app.gateway.database import read_contents
from app.registry.names import parse_repository
from tests.patience import PATIENCE

from . import images
from .programs import ON_BOTH, Registry, distribution, gateway, registry

MIB = 2**20
LARGE = bytes(MIB)
APP = "team-a/app"
ACCEPT = {"Accept": images.OCI_MANIFEST}
Serve = Callable[..., AbstractAsyncContextManager[Registry]]


@pytest.mark.parametrize("serve", [registry, distribution])
async def test_size_of_a_blob_is_true_after_overlapping_requests(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    """Both registries take two requests at once. The first one sends one byte and waits, the second
    one sends the whole blob."""
    images.limits(tmp_path, "team-a", storage="1500Ki")
    async with (
        serve(tools, tmp_path) as upstream,
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, APP)
        session = await images.begin_upload(client, APP)
        reader, writer = await gate.patch(session, "Transfer-Encoding: chunked")
        writer.write(b"1\r\n" + LARGE[:1] + b"\r\n")
        await asyncio.sleep(0.5)
        second = asyncio.create_task(client.patch(session, content=LARGE))
        await asyncio.sleep(0.5)
        writer.write(b"0\r\n\r\n")
        first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        writer.close()
        whole = httpx.URL((await second).headers.get("location", session))
        await client.put(whole.copy_merge_params({"digest": images.digest_of(LARGE)}))
        layer = {**images.descriptor(LARGE, "application/x"), "size": 1}
        answer = await images.push_manifest(client, APP, "v1", images.image("v1", layers=[layer]))

    assert first.startswith(b"HTTP/1.1 202 ")
    assert answer.json()["errors"][0]["code"] in ("MANIFEST_BLOB_UNKNOWN", "SIZE_INVALID")


@ON_BOTH
async def test_tag_counts_as_the_registry_has_it_after_pushes_at_once(
    upstream: Registry, tmp_path: Path
) -> None:
    """The registry stores the manifests in one order, and may answer in another."""
    tags = [f"v{number}" for number in range(20)]
    async with (
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, APP)
        pushes = await asyncio.gather(
            *(
                images.push_manifest(client, APP, tag, images.image(f"{tag} of {number}"))
                for tag in tags
                for number in range(6)
            )
        )
        stored = {
            tag: (await client.head(f"/v2/{APP}/manifests/{tag}", headers=ACCEPT)).headers[
                "docker-content-digest"
            ]
            for tag in tags
        }
        async with asyncio.timeout(PATIENCE):
            while _counted(tmp_path) != stored:
                await asyncio.sleep(0.5)

    assert {answer.status_code for answer in pushes} == {201}


def _counted(folder: Path) -> dict[str, str]:
    """The digest of each tag, as the gateway has written it down."""
    return read_contents(folder / "gateway.db")[parse_repository(APP)].tags
