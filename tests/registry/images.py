"""Images that tests make and push themselves, byte by byte."""

import hashlib
import json
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import yaml

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def layer_file(path: Path, size: int) -> Path:
    """A layer of random bytes, which no compression makes smaller."""
    content = path.with_suffix(".bin")
    content.write_bytes(os.urandom(size))
    with tarfile.open(path, "w") as archive:
        archive.add(content, "data")
    return path


def image(name: str, **fields: Any) -> bytes:
    """The manifest of an image without layers; images of different names differ."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(_CONFIG, "application/vnd.oci.image.config.v1+json"),
            "layers": [],
            "annotations": {"name": name},
            **fields,
        }
    ).encode()


def index(*children: bytes) -> bytes:
    """An index of image manifests."""
    listed = [descriptor(child, OCI_MANIFEST) for child in children]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": listed}).encode()


def limits(folder: Path, namespace: str, *, storage: str = "", **hard: int) -> None:
    """Write a LimitRange and a ResourceQuota for a namespace; arguments such as `image_tags=5`."""
    objects = folder / "limits"
    objects.mkdir(exist_ok=True)
    spec: dict[str, Any] = {"limits": [{"type": "alauda.io/Image", "max": {"storage": storage}}]}
    named = {f"alauda.io/{name.replace('_', '-')}": str(count) for name, count in hard.items()}
    documents = [
        *([("LimitRange", spec)] if storage else []),
        *([("ResourceQuota", {"hard": named})] if hard else []),
    ]
    text = yaml.safe_dump_all(
        {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": "limits", "namespace": namespace},
            "spec": content,
        }
        for kind, content in documents
    )
    (objects / f"{namespace}.yaml").write_text(text)


async def begin_upload(client: httpx.AsyncClient, repository: str) -> str:
    """The path of a new upload session."""
    started = await client.post(f"/v2/{repository}/blobs/uploads/")
    return httpx.URL(started.headers["location"]).raw_path.decode()


async def push_blob(
    client: httpx.AsyncClient, repository: str, content: bytes = _CONFIG
) -> httpx.Response:
    """A monolithic upload."""
    started = await client.post(f"/v2/{repository}/blobs/uploads/")
    assert started.status_code == 202, started.text
    location = httpx.URL(started.headers["location"])
    final = location.copy_merge_params({"digest": digest_of(content)})
    return await client.put(final, content=content)


async def push_manifest(
    client: httpx.AsyncClient, repository: str, reference: str, content: bytes, url: str = ""
) -> httpx.Response:
    return await client.put(
        f"{url}/v2/{repository}/manifests/{reference}",
        content=content,
        headers={"Content-Type": json.loads(content)["mediaType"]},
    )


async def tags(client: httpx.AsyncClient, repository: str) -> set[str]:
    answer = await client.get(f"/v2/{repository}/tags/list")
    return set(answer.json().get("tags") or []) if answer.status_code == 200 else set()


async def chunks(total: int, size: int = 2**16) -> AsyncIterator[bytes]:
    """A body that is sent without a Content-Length."""
    for _ in range(total // size):
        yield bytes(size)
