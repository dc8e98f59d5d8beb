"""Two requests at once on one upload session do not hide how large a blob is."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from . import images
from .programs import Registry, distribution, gateway, registry

MIB = 2**20
LARGE = bytes(MIB)
APP = "team-a/app"
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
        httpx.AsyncClient(base_url=gate.url, timeout=30) as client,
    ):
        await images.push_blob(client, APP)
        session = await images.begin_upload(client, APP)
        reader, writer = await gate.patch(session, "Transfer-Encoding: chunked")
        writer.write(b"1\r\n" + LARGE[:1] + b"\r\n")
        await asyncio.sleep(0.5)
        second = asyncio.create_task(client.patch(session, content=LARGE))
        await asyncio.sleep(0.5)
        writer.write(b"0\r\n\r\n")
        first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()
        whole = httpx.URL((await second).headers.get("location", session))
        await client.put(whole.copy_merge_params({"digest": images.digest_of(LARGE)}))
        layer = {**images.descriptor(LARGE, "application/x"), "size": 1}
        answer = await images.push_manifest(client, APP, "v1", images.image("v1", layers=[layer]))

    assert first.startswith(b"HTTP/1.1 202 ")
    assert answer.json()["errors"][0]["code"] in ("MANIFEST_BLOB_UNKNOWN", "SIZE_INVALID")
