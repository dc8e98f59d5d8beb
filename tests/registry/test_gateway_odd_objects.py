"""Odd contents of docker-registry and distribution v3 are counted, and stop no other namespace."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE
from tests.ports import free_port

from . import images
from .programs import Registry, distribution, gateway, nginx, registry

Serve = Callable[..., AbstractAsyncContextManager[Registry]]
BOTH = pytest.mark.parametrize("serve", [registry, distribution])
REPOSITORIES = "registry/docker/registry/v2/repositories"


@BOTH
async def test_odd_objects_are_counted_and_named_in_the_log(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    """A tag whose link is empty, an index whose child is a blob, and a catalog in small pages."""
    images.limits(tmp_path, "team-a", image_tags=3)
    images.limits(tmp_path, "team-b", image_tags=3)
    pages = {"catalog": {"maxentries": 2}}
    async with (
        serve(tools, tmp_path, **pages) as upstream,
        httpx.AsyncClient(base_url=upstream.url, timeout=PATIENCE) as direct,
    ):
        for number in range(5):
            await _push(direct, f"team-{number}/app", "v1")
        for tag in ("v1", "broken"):
            await _push(direct, "team-a/app", tag)
        link = tmp_path / REPOSITORIES / "team-a/app/_manifests/tags/broken/current/link"
        _write(link, "")
        cache = _index_of_a_blob()
        await images.push_manifest(direct, "team-b/app", "cache", cache)
        async with (
            gateway(tmp_path, upstream.url) as gate,
            httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
        ):
            pushes = [
                (await _push(client, namespace, tag)).status_code
                for namespace in ("team-a/app", "team-0/app")
                for tag in ("v2", "v3")
            ]
            ready = (await client.get("/readyz")).json()

    log = tmp_path / "gateway.log"
    assert pushes == [201, 403, 201, 201]
    assert ready["ready"]
    [warning] = ready["warnings"]
    assert warning.startswith("tags and manifests that cannot be read")
    [told] = [line for line in log.read_text().splitlines() if "counts as stored" in line]
    assert "team-a/app" in told
    assert "broken" in told


@BOTH
async def test_registry_without_a_catalog_does_not_count_as_empty(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", image_tags=3)
    async with (
        serve(tools, tmp_path) as upstream,
        httpx.AsyncClient(base_url=upstream.url, timeout=PATIENCE) as direct,
    ):
        for tag in ("v1", "v2", "v3"):
            await _push(direct, "team-a/app", tag)
        async with (
            _without_catalog(tmp_path, upstream, tools) as url,
            gateway(tmp_path, url) as gate,
            httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
        ):
            refused = await _push(client, "team-a/app", "v4")
            repeated = await _push(client, "team-a/app", "v3")

    assert (refused.status_code, repeated.status_code) == (403, 201)
    assert "used: alauda.io/image-tags=3" in refused.text


@BOTH
async def test_manifest_before_its_blobs_is_refused_under_a_size_limit(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    """docker-registry accepts a layer with `urls` that it does not store."""
    images.limits(tmp_path, "team-a", storage="100Ki")
    layer = bytes(410_000)
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": images.digest_of(layer),
        "size": 1,
        "urls": ["http://127.0.0.1/layer"],
    }
    async with (
        serve(tools, tmp_path) as upstream,
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, "team-a/app")
        manifest = json.loads(images.image("v1", layers=[foreign]))
        manifest["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json"
        refused = await images.push_manifest(
            client, "team-a/app", "v1", json.dumps(manifest).encode()
        )

    assert refused.status_code == 404
    assert refused.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


@BOTH
async def test_refused_upload_leaves_no_data_behind(
    serve: Serve, tools: Path, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", storage="1Mi")
    async with (
        serve(tools, tmp_path, storage=_without_delete(tmp_path)) as upstream,
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        session = await images.begin_upload(client, "team-a/app")
        first = await client.patch(session, content=bytes(2**19))
        refused = await client.patch(first.headers["location"], content=images.chunks(2**20))
        left = list((tmp_path / REPOSITORIES / "team-a/app/_uploads").glob("*/data"))

    assert (first.status_code, refused.status_code) == (202, 403)
    assert left == []


async def _push(client: httpx.AsyncClient, repository: str, tag: str) -> httpx.Response:
    await images.push_blob(client, repository)
    return await images.push_manifest(client, repository, tag, images.image(tag))


def _index_of_a_blob() -> bytes:
    """The index of layers that a build cache pushes."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    layer = images.descriptor(config, "application/vnd.oci.image.layer.v1.tar+gzip")
    return json.dumps(
        {"schemaVersion": 2, "mediaType": images.INDEXES[0], "manifests": [layer]}
    ).encode()


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _without_delete(folder: Path) -> dict[str, object]:
    return {"filesystem": {"rootdirectory": str(folder / "registry")}}


@asynccontextmanager
async def _without_catalog(folder: Path, upstream: Registry, tools: Path) -> AsyncIterator[str]:
    """A proxy to the registry that answers 404 for the catalog."""
    address = f"127.0.0.1:{free_port()}"
    server = (
        f"listen {address}; client_max_body_size 0; location = /v2/_catalog {{ return 404; }} "
        f"location / {{ proxy_pass {upstream.url}; proxy_set_header Host $http_host; }}"
    )
    async with nginx(tools, folder, server):
        yield f"http://{address}"
