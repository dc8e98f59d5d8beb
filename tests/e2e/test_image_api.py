"""The stand-in for the Image API writes the tags the mappings ask for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException, CustomObjectsApi
from kubernetes_asyncio.config import new_client_from_config

from .cluster import Cluster
from .image_api import ImageApi

pytestmark = pytest.mark.e2e

GROUP = "image.alauda.io"
NAMESPACE = "default"


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[CustomObjectsApi]:
    async with await new_client_from_config(config_file=str(cluster.kubeconfig)) as client:
        yield CustomObjectsApi(client)


@pytest.fixture(autouse=True)
def _cleanup(cluster: Cluster) -> Iterator[None]:
    yield
    cluster.kubectl("delete", f"--raw=/apis/{GROUP}/v1/namespaces/{NAMESPACE}/imagestreams")
    cluster.kubectl("delete", f"--raw=/apis/{GROUP}/v1/images")


@pytest.fixture
async def image_api(cluster: Cluster) -> AsyncIterator[ImageApi]:
    running = ImageApi(cluster.kubeconfig)
    await running.start()
    yield running
    await running.stop()
    assert running.failures == []


async def push(api: CustomObjectsApi, stream: str, tag: str, digest: str) -> None:
    """Creates a mapping, again and again while the last one of the same name is still there."""
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ImageStreamMapping",
        "metadata": {"name": stream, "namespace": NAMESPACE},
        "image": {
            "metadata": {"name": digest},
            "dockerImageReference": f"registry/{NAMESPACE}/{stream}@{digest}",
            "dockerImageLayers": [{"name": digest, "size": 7, "mediaType": "layer"}],
        },
        "tag": tag,
    }
    while True:
        try:
            await api.create_namespaced_custom_object(
                GROUP, "v1", NAMESPACE, "imagestreammappings", body
            )
        except ApiException as error:
            if error.status != 409:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def items(api: CustomObjectsApi, plural: str) -> list[dict[str, Any]]:
    found: dict[str, Any] = await api.list_namespaced_custom_object(GROUP, "v1", NAMESPACE, plural)
    return list(found["items"])


async def written(api: CustomObjectsApi) -> dict[tuple[str, str], list[str]]:
    """The digests of every tag, newest first."""
    return {
        (stream["metadata"]["name"], tag["tag"]): [item["image"] for item in tag["items"]]
        for stream in await items(api, "imagestreams")
        for tag in stream.get("status", {}).get("tags", [])
    }


async def eventually(look: Callable[[], Awaitable[object]], expected: object) -> None:
    async with asyncio.timeout(30):
        while True:
            if await look() == expected:
                return
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("image_api")
async def test_newest_image_of_a_tag_is_first(api: CustomObjectsApi) -> None:
    await push(api, "app", "v1", "sha256:old")
    await eventually(lambda: written(api), {("app", "v1"): ["sha256:old"]})
    await push(api, "app", "v1", "sha256:new")
    await eventually(lambda: written(api), {("app", "v1"): ["sha256:new", "sha256:old"]})
    image = await api.get_cluster_custom_object(GROUP, "v1", "images", "sha256-new")
    assert image["dockerImageLayers"][0]["size"] == 7


@pytest.mark.usefixtures("image_api")
async def test_three_hundred_concurrent_pushes_are_stored(api: CustomObjectsApi) -> None:
    pushes = [(f"app-{n % 30}", f"v{n}", f"sha256:{n}") for n in range(300)]
    await asyncio.gather(*(push(api, *arguments) for arguments in pushes))
    await eventually(
        lambda: written(api), {(stream, tag): [digest] for stream, tag, digest in pushes}
    )


async def test_a_tag_may_come_late_or_never(api: CustomObjectsApi, image_api: ImageApi) -> None:
    image_api.delay = None
    await push(api, "app", "never", "sha256:never")
    await eventually(lambda: items(api, "imagestreammappings"), [])
    image_api.delay = 1.0
    await push(api, "app", "late", "sha256:late")
    assert await written(api) == {}
    await eventually(lambda: written(api), {("app", "late"): ["sha256:late"]})
