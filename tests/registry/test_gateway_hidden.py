"""An index does not hide an image from the limits by listing it as something else."""

import asyncio
import json
from itertools import product
from pathlib import Path

import httpx

from tests.patience import PATIENCE

from . import images
from .programs import ON_BOTH, Registry, gateway

_MEDIA_TYPES = {
    "own": images.OCI_MANIFEST,
    "none": "",
    "capitals": images.OCI_MANIFEST.upper(),
    "parameter": f"{images.OCI_MANIFEST}; charset=utf-8",
    "space": f" {images.OCI_MANIFEST}",
    "index": images.INDEXES[0],
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    "config": "application/vnd.oci.image.config.v1+json",
    "unknown": "application/octet-stream",
    "schema-1": "application/vnd.docker.distribution.manifest.v1+prettyjws",
}


@ON_BOTH
async def test_image_of_an_index_counts_under_any_media_type(
    upstream: Registry, tmp_path: Path
) -> None:
    hidden = images.image("hidden")
    ways = {
        f"{kind}-{name}": (index, media_type)
        for (kind, index), (name, media_type) in product(
            zip(("index", "list"), images.INDEXES, strict=True), _MEDIA_TYPES.items()
        )
    }
    for namespace in ways:
        images.limits(tmp_path, namespace, images=2)
    answers = {}
    async with (
        gateway(tmp_path, upstream.url, "--untagged-grace", "500ms") as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        for namespace, (index, media_type) in ways.items():
            repository = f"{namespace}/app"
            await images.push_blob(client, repository)
            pushes = [
                await images.push_manifest(client, repository, reference, content)
                for reference, content in (
                    (images.digest_of(hidden), hidden),
                    ("v1", _index(index, hidden, media_type)),
                )
            ]
            answers[namespace] = [answer.status_code for answer in pushes]
        await asyncio.sleep(1)
        for namespace in ways:
            last = await images.push_manifest(client, f"{namespace}/app", "v2", images.image("v2"))
            answers[namespace].append(last.status_code)

    assert answers == {namespace: [201, 201, 403] for namespace in ways}


@ON_BOTH
async def test_image_of_an_index_is_held_against_max_storage_under_any_media_type(
    upstream: Registry, tmp_path: Path
) -> None:
    """The image is older than the limit."""
    layer = bytes(2**20)
    described = images.descriptor(layer, "application/vnd.oci.image.layer.v1.tar")
    large = images.image("large", layers=[described])
    async with httpx.AsyncClient(base_url=upstream.url, timeout=PATIENCE) as direct:
        await images.push_blob(direct, "team-a/app")
        await images.push_blob(direct, "team-a/app", layer)
        stored = await images.push_manifest(direct, "team-a/app", "large", large)
    images.limits(tmp_path, "team-a", storage="100Ki")
    async with (
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        answers = {
            name: await images.push_manifest(
                client, "team-a/app", name, _index(images.INDEXES[0], large, media_type)
            )
            for name, media_type in _MEDIA_TYPES.items()
        }

    assert stored.status_code == 201
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        _MEDIA_TYPES, 403
    )


@ON_BOTH
async def test_registry_takes_no_manifest_for_a_layer(upstream: Registry, tmp_path: Path) -> None:
    """An image cannot list another image in place of a layer or of its config."""
    listed = images.descriptor(images.image("hidden"), images.OCI_MANIFEST)
    async with (
        gateway(tmp_path, upstream.url) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, "team-a/app")
        hidden = images.image("hidden")
        await images.push_manifest(client, "team-a/app", images.digest_of(hidden), hidden)
        answers = [
            await images.push_manifest(client, "team-a/app", "v1", images.image("v1", **fields))
            for media_type in filter(None, _MEDIA_TYPES.values())
            for fields in (
                {"layers": [{**listed, "mediaType": media_type}]},
                {"config": {**listed, "mediaType": media_type}},
            )
        ]

    assert {answer.status_code for answer in answers} == {400}


def _index(index: str, child: bytes, media_type: str) -> bytes:
    platform = {"os": "linux", "architecture": "amd64"}
    listed = {**images.descriptor(child, media_type), "platform": platform}
    if not media_type:
        del listed["mediaType"]
    return json.dumps({"schemaVersion": 2, "mediaType": index, "manifests": [listed]}).encode()
