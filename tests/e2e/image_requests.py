"""Requests of tests to the Image API, and the stored result."""

import asyncio
import hashlib
import json
from typing import Any

from .cluster import Cluster
from .domain import DOMAIN
from .history import Json
from .image_api import Answer, ImageApi
from .observed import quota
from .replicas import Replicas


def digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def image(name: str, size: int = 7, **content: Any) -> Json:
    return {
        "metadata": {"name": digest(name)},
        "dockerImageLayers": [{"name": digest(f"{name}/1"), "size": size, "mediaType": "layer"}],
        **content,
    }


def mapping(namespace: str, stream: str, tag: str, name: str) -> Json:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStreamMapping",
        "metadata": {"name": stream, "namespace": namespace},
        "image": image(name),
        **({"tag": tag} if tag else {}),
    }


def imported(namespace: str, stream: str, *images: Json) -> Json:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": stream, "namespace": namespace},
        "spec": {"import": True, "images": list(images)},
    }


def from_registry(pull_spec: str, to: str = "", **policy: str) -> Json:
    found: Json = {"from": {"kind": "DockerImage", "name": pull_spec}, "importPolicy": policy}
    return {**found, "to": {"name": to}} if to else found


async def push(api: ImageApi, namespace: str, stream: str, tag: str, name: str) -> Answer:
    return await api.create("imagestreammappings", mapping(namespace, stream, tag, name))


async def stored(api: ImageApi, namespace: str, stream: str) -> dict[str, list[str]]:
    """The digests of every tag, newest first."""
    found = await api.stream(namespace, stream) or {}
    tags = found.get("status", {}).get("tags", [])
    return {tag["tag"]: [item["image"] for item in tag["items"]] for tag in tags}


async def limited(
    cluster: Cluster, replicas: Replicas, namespace: str, name: str, value: int
) -> None:
    cluster.kubectl("apply", "-f", "-", input=quota(namespace, name, value))
    await asyncio.to_thread(replicas.wait_until_limited, namespace)


async def limited_images_of_a_stream(
    cluster: Cluster, replicas: Replicas, namespace: str, images: int
) -> None:
    limits = [{"type": f"{DOMAIN}/ImageStream", "max": {f"{DOMAIN}/images": str(images)}}]
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "limits", "namespace": namespace},
        "spec": {"limits": limits},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(limit_range))
    await asyncio.to_thread(replicas.wait_until_limited, namespace)
