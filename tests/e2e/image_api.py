"""A stand-in for the aggregated Image API, which stores admitted requests.

The kinds are custom resources here, which the API server stores as they come. The Image API instead

- takes ImageStreamMappings and ImageStreamImports as requests: it does not store these objects, and
  it ignores `dryRun` for both;
- ends a request after `--request-timeout`: a request that is not stored by then is never stored;
- answers a mapping to a stream that does not exist with 404, after admission; a mapping without
  `tag` is tagged `latest`;
- stores an import without `to`, whose source has no tag, without a tag; puts all digests that are
  imported `to` one tag into its history; stores the linux/amd64 child of a list that is imported by
  digest in mode Legacy.

`tags.py` stands in for it with ImageStreamTags and ImageStreams.
"""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

import httpx

from .cluster import Cluster
from .domain import DOMAIN
from .history import Json, add_image, digest_of
from .image_api_client import image_api_client

Result = TypeVar("Result")
GROUP = f"image.{DOMAIN}"
ROOT = f"/apis/{GROUP}/v1"
RETRY_DELAY = 0.1
_MOST = 48
_TIMED_OUT = 504
_BY_FRONT = "e2e/by-front"
_REQUESTS = ("imagestreammappings", "imagestreamimports")
REQUEST_TIMEOUT = 60.0
"""Seconds. The default of an API server."""


@dataclass(frozen=True)
class Answer:
    code: int
    message: str = ""

    @property
    def admitted(self) -> bool:
        return self.code in (200, 201)


@dataclass
class ImageApi:
    """Stores an admitted request after `delay` seconds, or never if `delay` is None.

    Requests come through `create`, or directly to the API server, whose answer then does not report
    a missing stream.
    """

    cluster: Cluster
    delay: float | None = 0.0
    timeout: float = REQUEST_TIMEOUT
    """Seconds from the beginning of a request, before its admission, to its end."""
    remote: dict[str, Json] = field(default_factory=dict)
    """Images of other registries, by pull spec."""
    failures: list[BaseException] = field(default_factory=list)
    ended: list[Json] = field(default_factory=list)
    """Requests that came straight to the API server and were admitted, but not stored: their stream
    is missing, or they were late."""

    async def start(self) -> None:
        """Start to take requests, the existing ones first."""
        self._client = image_api_client(self.cluster)
        self._locks: defaultdict[tuple[str, ...], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stores: set[asyncio.Task[Answer]] = set()
        self._taken: set[str] = set()
        self._watchers = [asyncio.create_task(self._watch(plural)) for plural in _REQUESTS]

    async def stop(self) -> None:
        """Stop at once: waiting requests are not stored."""
        tasks = [*self._watchers, *self._stores]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def room(self) -> None:
        """Wait while many requests that came straight to the API server are on their way.

        Their clients have an answer already. Those of the real Image API wait until it has stored.
        """
        while len(self._stores) >= _MOST:
            await asyncio.sleep(RETRY_DELAY)

    async def create(self, plural: str, body: Json, *, dry_run: bool = False) -> Answer:
        """An ImageStreamMapping or ImageStreamImport, as the Image API takes it."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        marked = {**body, "metadata": {**body["metadata"], "annotations": {_BY_FRONT: ""}}}
        query = "?dryRun=All" if dry_run else ""
        deadline = time.time() + self.timeout
        async with self._locks[plural, namespace, name]:
            path = f"{ROOT}/namespaces/{namespace}/{plural}"
            user = {"Authorization": f"Bearer {self.cluster.token}"}
            response = await self._client.post(path + query, json=marked, headers=user)
            code, answer = response.status_code, response.json()
            if code != 201:
                return Answer(code, answer.get("message", ""))
            if not dry_run:
                await self.call("DELETE", f"{path}/{name}")
        return await self._store(plural, body, deadline)

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Send a request to the storage. No webhook reviews it.

        Raises HTTPError while the API server is not there or not ready.
        """
        response = await self._client.request(method, path, json=body)
        answer: Json = response.json()
        # An API server that starts does not know custom resources yet, and names no object.
        unknown = response.status_code == 404 and "name" not in answer.get("details", {})
        if response.status_code == 429 or response.is_server_error or unknown:
            response.raise_for_status()
        return response.status_code, answer

    async def watch(self, path: str, version: str = "") -> AsyncIterator[Json]:
        """Every event, of what exists first if no version is given. Raises HTTPError."""
        query = {"watch": "1", **({"resourceVersion": version} if version else {})}
        patience = httpx.Timeout(60, read=None)
        async with self._client.stream("GET", path, params=query, timeout=patience) as events:
            events.raise_for_status()
            async for line in events.aiter_lines():
                yield json.loads(line)

    async def stream(self, namespace: str, name: str) -> Json | None:
        code, found = await self.call("GET", f"{ROOT}/namespaces/{namespace}/imagestreams/{name}")
        return found if code == 200 else None

    async def change(
        self, namespace: str, name: str, change: Callable[[Json], None]
    ) -> Json | None:
        """Change a stream, spec and status; None if there is none."""
        path = f"{ROOT}/namespaces/{namespace}/imagestreams/{name}"
        async with self._locks["imagestreams", namespace, name]:
            while (stream := await self.stream(namespace, name)) is not None:
                before = json.dumps(stream.get("spec"))
                change(stream)
                if json.dumps(stream.get("spec")) != before:
                    code, stored = await self.call("PUT", path, stream)
                    stream["metadata"] = stored.get("metadata")
                    if code == 409:
                        continue
                code, stored = await self.call("PUT", f"{path}/status", stream)
                if code == 200:
                    return stored
                if code != 409:
                    raise RuntimeError(f"{path}: {stored}")
        return None

    async def store_image(self, image: Json) -> None:
        """A cluster-scoped Image; the name of a custom resource cannot have a colon."""
        name = digest_of(image).replace(":", "-")
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Image", **image, "metadata": {"name": name}}
        await _retry(lambda: self._created(f"{ROOT}/images", body))

    async def _created(self, path: str, body: Json) -> None:
        code, answer = await self.call("POST", path, body)
        if code not in (201, 409):
            raise RuntimeError(f"{path}: {answer}")

    async def _watch(self, plural: str) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError):
                await self._watch_once(plural)
            await asyncio.sleep(RETRY_DELAY)  # the API server restarts

    async def _watch_once(self, plural: str) -> None:
        async for event in self.watch(f"{ROOT}/{plural}"):
            request = event["object"]
            # A new watch repeats the objects that are not deleted yet.
            known = request["metadata"].get("uid") in self._taken
            if event["type"] == "ADDED" and not known and not _is_by_front(request):
                self._taken.add(request["metadata"]["uid"])
                store = asyncio.create_task(self._take(plural, request))
                self._stores.add(store)
                store.add_done_callback(self._done)

    def _done(self, store: asyncio.Task[Answer]) -> None:
        self._stores.discard(store)
        if not store.cancelled() and (error := store.exception()):
            self.failures.append(error)

    async def _take(self, plural: str, request: Json) -> Answer:
        """Store a request that came straight to the API server, which gave it the time of its
        beginning."""
        metadata = request["metadata"]
        deadline = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp() + self.timeout
        path = f"{ROOT}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"
        # If the answer is lost, the next request of that name must not be deleted as well.
        only = {"preconditions": {"uid": metadata["uid"]}}
        await _retry(lambda: self.call("DELETE", path, only))
        answer = await self._store(plural, request, deadline)
        if not answer.admitted:
            self.ended.append(request)
        return answer

    async def _store(self, plural: str, request: Json, deadline: float) -> Answer:
        """Store a request until its deadline, in seconds since the epoch."""
        delay = self.delay
        if delay is None:
            return Answer(201)
        store = self._store_mapping if plural == "imagestreammappings" else self._store_import
        try:
            async with asyncio.timeout(deadline - time.time()):
                await asyncio.sleep(delay)
                return await _retry(lambda: store(request))
        except TimeoutError:
            return Answer(_TIMED_OUT, "the request did not complete within its timeout")

    async def _store_mapping(self, mapping: Json) -> Answer:
        namespace, name = mapping["metadata"]["namespace"], mapping["metadata"]["name"]
        if await self.stream(namespace, name) is None:
            return Answer(404, f'imagestreams "{name}" not found')
        await self.store_image(mapping["image"])
        tag = mapping.get("tag") or "latest"
        await self.change(namespace, name, partial(add_image, tag=tag, image=mapping["image"]))
        return Answer(201)

    async def _store_import(self, request: Json) -> Answer:
        """Create the stream of an import."""
        namespace, name = request["metadata"]["namespace"], request["metadata"]["name"]
        if not request["spec"]["import"]:
            return Answer(201)
        kind = {"apiVersion": f"{GROUP}/v1", "kind": "ImageStream", "metadata": {"name": name}}
        await self._created(f"{ROOT}/namespaces/{namespace}/imagestreams", kind)
        for tag, image in self._imported(request["spec"]):
            await self.store_image(image)
            if tag:
                await self.change(namespace, name, partial(add_image, tag=tag, image=image))
        return Answer(201)

    def _imported(self, spec: Json) -> list[tuple[str, Json]]:
        """Tags, empty for none, and images."""
        found = []
        for item in spec.get("images", []):
            source = item["from"]["name"]
            image = self.remote[source]
            legacy = item.get("importPolicy", {}).get("importMode", "Legacy") == "Legacy"
            if legacy and image.get("dockerImageManifests"):
                image = self._child(source, image)
            tag = item.get("to", {}).get("name") or _tag_of(source)
            found.append((tag, image))
        if "repository" in spec:
            source = spec["repository"]["from"]["name"]
            found += [
                (spec_.removeprefix(f"{source}:"), image)
                for spec_, image in self.remote.items()
                if spec_.startswith(f"{source}:")
            ]
        return found

    def _child(self, source: str, image: Json) -> Json:
        [digest] = [
            child["digest"]
            for child in image["dockerImageManifests"]
            if (child["os"], child["architecture"]) == ("linux", "amd64")
        ]
        return self.remote[f"{source.partition('@')[0]}@{digest}"]


def _tag_of(pull_spec: str) -> str:
    """A digest has no tag."""
    return "" if "@" in pull_spec else pull_spec.rpartition(":")[2]


def _is_by_front(request: Json) -> bool:
    return _BY_FRONT in request["metadata"].get("annotations", {})


async def _retry(step: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat a step while a restart of the API server is in its way."""
    while True:
        try:
            return await step()
        except (httpx.HTTPError, json.JSONDecodeError):
            await asyncio.sleep(RETRY_DELAY)
