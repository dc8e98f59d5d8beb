"""What the Image API does with a push: it turns an admitted ImageStreamMapping into a tag.

In a real cluster a mapping is a request: nothing of it is stored, and the tag shows in the stream
a moment later or, if the Image API fails after admission, never. Here the mapping is a custom
resource, so it is deleted the moment it is seen: the next push to the same stream, whose mapping
has the same name, would be refused for as long as it is there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiException, CustomObjectsApi
from kubernetes_asyncio.config import new_client_from_config
from kubernetes_asyncio.watch import Watch

RETRY_DELAY = 0.1


class ImageApi:
    """Watches for mappings and writes their tags after `delay` seconds, or never if it is None."""

    def __init__(
        self, kubeconfig: Path, domain: str = "alauda.io", delay: float | None = 0.0
    ) -> None:
        self.delay = delay
        self.failures: list[BaseException] = []
        self._kubeconfig = kubeconfig
        self._group = f"image.{domain}"
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pushes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts to take mappings, those that exist already first."""
        self._client = await new_client_from_config(config_file=str(self._kubeconfig))
        self._api = CustomObjectsApi(self._client)
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stops at once: tags that were still to be written are not written."""
        tasks = [self._watcher, *self._pushes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    async def _watch(self) -> None:
        while True:
            try:
                async for event in Watch().stream(
                    self._api.list_cluster_custom_object, self._group, "v1", "imagestreammappings"
                ):
                    if event["type"] == "ADDED":
                        push = asyncio.create_task(self._push(event["raw_object"]))
                        self._pushes.add(push)
                        push.add_done_callback(self._done)
            except (ApiException, aiohttp.ClientError):  # the API server restarts
                await asyncio.sleep(RETRY_DELAY)

    def _done(self, push: asyncio.Task[None]) -> None:
        self._pushes.discard(push)
        if not push.cancelled() and (error := push.exception()):
            self.failures.append(error)

    async def _push(self, mapping: dict[str, Any]) -> None:
        try:
            await self._write(mapping)
        except ApiException as error:
            if not _is_of_a_namespace_that_goes(error):
                raise

    async def _write(self, mapping: dict[str, Any]) -> None:
        namespace, name = mapping["metadata"]["namespace"], mapping["metadata"]["name"]
        delay = self.delay
        await _retry(lambda: self._delete(namespace, name))
        if delay is None:
            return
        await asyncio.sleep(delay)
        await _retry(lambda: self._create_image(mapping["image"]))
        async with self._locks[namespace, name]:
            await _retry(lambda: self._add_tag(namespace, name, mapping))

    async def _delete(self, namespace: str, name: str) -> None:
        await self._api.delete_namespaced_custom_object(
            self._group, "v1", namespace, "imagestreammappings", name
        )

    async def _create_image(self, image: dict[str, Any]) -> None:
        # The name of a custom resource cannot have a colon.
        body = {
            **image,
            **self._kind("Image"),
            "metadata": {"name": image["metadata"]["name"].replace(":", "-")},
        }
        try:
            await self._api.create_cluster_custom_object(self._group, "v1", "images", body)
        except ApiException as error:
            if error.status != 409:
                raise

    async def _add_tag(self, namespace: str, name: str, mapping: dict[str, Any]) -> None:
        stream = await self._stream(namespace, name)
        tags = stream.setdefault("status", {}).setdefault("tags", [])
        tag = next((tag for tag in tags if tag["tag"] == mapping["tag"]), None)
        if tag is None:
            tag = {"tag": mapping["tag"], "items": []}
            tags.append(tag)
        digest = mapping["image"]["metadata"]["name"]
        if tag["items"] and tag["items"][0]["image"] == digest:
            return
        tag["items"].insert(
            0,
            {
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "dockerImageReference": mapping["image"].get("dockerImageReference", ""),
                "generation": stream["metadata"]["generation"],
                "image": digest,
            },
        )
        await self._api.replace_namespaced_custom_object_status(
            self._group, "v1", namespace, "imagestreams", name, stream
        )

    async def _stream(self, namespace: str, name: str) -> dict[str, Any]:
        stream: dict[str, Any]
        try:
            stream = await self._api.get_namespaced_custom_object(
                self._group, "v1", namespace, "imagestreams", name
            )
        except ApiException as error:
            if error.status != 404:
                raise
            body = {**self._kind("ImageStream"), "metadata": {"name": name}}
            stream = await self._api.create_namespaced_custom_object(
                self._group, "v1", namespace, "imagestreams", body
            )
        return stream

    def _kind(self, kind: str) -> dict[str, str]:
        return {"apiVersion": f"{self._group}/v1", "kind": kind}


def _is_of_a_namespace_that_goes(error: ApiException) -> bool:
    """Its mappings are deleted with it; earlier tests leave such ones behind."""
    return error.status == 404 or (error.status == 403 and "being terminated" in str(error.body))


async def _retry(step: Callable[[], Awaitable[None]]) -> None:
    """Repeats a step while somebody else's write or a restart of the API server is in its way."""
    while True:
        try:
            return await step()
        except ApiException as error:
            if error.status not in (409, 429) and error.status < 500:
                raise
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(RETRY_DELAY)
