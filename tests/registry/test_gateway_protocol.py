"""Requests at the edge of the protocol are answered as the registry answers them."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE

from . import images
from .programs import Registry, distribution, gateway, registry, run

Serve = Callable[..., AbstractAsyncContextManager[Registry]]
BOTH = pytest.mark.parametrize("serve", [registry, distribution])
CONTENT = b"a blob that is in another repository"
DIGEST = images.digest_of(CONTENT)


@BOTH
async def test_mount_from_an_odd_repository_is_answered_as_by_the_registry(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    """containerd asks for mounts from `pause` and from names of other registries."""
    images.limits(tmp_path, "team-a", storage="1Mi")
    queries = [
        f"mount={DIGEST}&from={source}" for source in ("", "pause", "Team/Base", "team-b/app", "..")
    ]
    queries += [f"mount={DIGEST}", "mount=&from=pause"]
    answers = {}
    async with (
        serve(tools, tmp_path) as upstream,
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(timeout=PATIENCE) as client,
    ):
        client.base_url = httpx.URL(upstream.url)
        for repository in ("pause", "team-b/app"):
            assert (await images.push_blob(client, repository, CONTENT)).status_code == 201
        for way, url in (("direct", upstream.url), ("gateway", gate.url)):
            client.base_url = httpx.URL(url)
            answers[way] = [await _mount(client, f"team-a/{way}", query) for query in queries]

    assert answers["gateway"] == answers["direct"]
    assert 201 in answers["direct"]
    assert 202 in answers["direct"]


@BOTH
async def test_index_whose_list_is_null_is_an_empty_index(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", storage="1Mi", images=1, image_tags=2)
    content = json.dumps(
        {"schemaVersion": 2, "mediaType": images.INDEXES[0], "manifests": None}
    ).encode()
    answers = {}
    async with (
        serve(tools, tmp_path) as upstream,
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        for way, url in (("direct", upstream.url), ("gateway", gate.url)):
            answers[way] = await images.push_manifest(client, f"team-a/{way}", "v1", content, url)
        accept = {"Accept": images.INDEXES[0]}
        pulled = await client.get("/v2/team-a/gateway/manifests/v1", headers=accept)

    assert answers["gateway"].status_code == answers["direct"].status_code == 201
    assert pulled.content == content


@BOTH
async def test_http_1_0_client_reads_a_list_that_the_registry_sends_in_chunks(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", image_tags=50)
    names = {f"v{number}".ljust(120, "x") for number in range(40)}
    path = "/v2/team-a/app/tags/list"
    async with (
        serve(tools, tmp_path) as upstream,
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=upstream.url, timeout=PATIENCE) as direct,
    ):
        await images.push_blob(direct, "team-a/app")
        await asyncio.gather(
            *(images.push_manifest(direct, "team-a/app", name, images.image("v")) for name in names)
        )
        itself = await direct.get(path)
        curl = ("curl", "--http1.0", "--silent", "--fail", "--include", "--max-time", "20")
        through = await run(*curl, f"{gate.url}{path}")

    assert itself.headers["transfer-encoding"] == "chunked"
    assert through.code == 0, through.output
    head, _, body = through.output.partition("\r\n\r\n")
    assert "transfer-encoding" not in head.lower()
    assert set(json.loads(body)["tags"]) == names


async def _mount(client: httpx.AsyncClient, repository: str, query: str) -> int:
    """The status of a mount. If an upload was started instead, it can be finished."""
    answer = await client.post(f"/v2/{repository}/blobs/uploads/?{query}")
    if answer.status_code == 202:
        location = httpx.URL(answer.headers["location"])
        final = location.copy_merge_params({"digest": DIGEST})
        assert (await client.put(final, content=CONTENT)).status_code == 201
    return answer.status_code
