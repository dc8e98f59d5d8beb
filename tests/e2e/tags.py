"""A stand-in for the aggregated Image API with ImageStreamTags and ImageStreams.

The names of custom resources cannot have a colon, and their status is not part of a create, so
these requests do not go through the API server: the service is asked as the Image API asks it. The
Image API

- computes `status.tags` from the spec before the webhooks see an ImageStream;
- follows `from` again when source, reference, generation or `importPolicy.importMode` change;
- sends a PUT or PATCH of a tag that does not exist, in a stream that does, as an UPDATE with a
  made-up oldObject;
- calls no webhook for the DELETE of a tag;
- honours `dryRun` for both kinds.
"""

import asyncio
import copy
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from .domain import DOMAIN
from .history import Json, add_digest, find_tag, is_followed_again
from .image_api import GROUP, ROOT, Answer, ImageApi
from .replicas import Replica


@dataclass(frozen=True)
class Tags:
    """Requests for tags and streams, answered by one replica of the service."""

    api: ImageApi
    replica: Replica

    async def put_stream(
        self, namespace: str, name: str, tags: list[Json], *, dry_run: bool = False
    ) -> Answer:
        """Create or update a stream with these `spec.tags`."""
        old = await self.api.stream(namespace, name)
        new = copy.deepcopy(old) if old else _stream(namespace, name)
        new["spec"] = {"tags": [{"generation": 2 if old else 1, **tag} for tag in tags]}
        before = old["spec"].get("tags", []) if old and "spec" in old else []
        await self._follow(new, before)
        answer = await self._ask("ImageStream", new, old, dry_run=dry_run)
        if answer.admitted and not dry_run:
            await self._store(namespace, name, new)
        return answer

    async def put_tag(
        self,
        namespace: str,
        name: str,
        patch: Json,
        *,
        kind: str = "ImageStreamTag",
        dry_run: bool = False,
    ) -> Answer:
        """PUT or PATCH the tag `<stream>:<tag>`: `patch` is what changes of its TagReference."""
        stream_name, _, tag_name = name.partition(":")
        stream = await self.api.stream(namespace, stream_name)
        if stream is None:
            return Answer(404, f'imagestreams "{stream_name}" not found')
        tags = stream.setdefault("spec", {}).setdefault("tags", [])
        before = find_tag(tags, tag_name)
        after = {"name": tag_name, **(before or {}), **patch}
        old = self._tag(kind, namespace, name, before)  # made up if there is none
        new = self._tag(kind, namespace, name, after)
        answer = await self._ask(kind, new, old, dry_run=dry_run)
        if answer.admitted and not dry_run:
            changed = [after if one["name"] == tag_name else one for one in tags]
            stream["spec"]["tags"] = changed if before else [*tags, after]
            await self._follow(stream, tags)
            await self._store(namespace, stream_name, stream)
        return answer

    async def delete_tag(self, namespace: str, name: str) -> Answer:
        stream_name, _, tag_name = name.partition(":")

        def remove(stream: Json) -> None:
            for part, key in (("spec", "name"), ("status", "tag")):
                tags = stream.get(part, {}).get("tags", [])
                tags[:] = [tag for tag in tags if tag[key] != tag_name]

        found = await self.api.change(namespace, stream_name, remove)
        return Answer(200 if found else 404)

    async def create_image(self, image: Json) -> Answer:
        """A cluster-scoped Image, as a registry creates one for each child of a list."""
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Image", **image}
        answer = await self._ask("Image", body, None)
        if answer.admitted:
            await self.api.store_image(image)
        return answer

    async def _follow(self, stream: Json, before: list[Json]) -> None:
        """Write the images of new tags and of tags that are followed again into the status."""
        for tag in stream["spec"]["tags"]:
            if is_followed_again(tag, find_tag(before, tag["name"])):
                digest = await self._target(stream["metadata"]["namespace"], tag["from"])
                if digest:
                    add_digest(stream, tag["name"], digest)

    async def _target(self, namespace: str, source: Json) -> str:
        if source["kind"] == "ImageStreamImage":
            return str(source["name"]).partition("@")[2]
        name, _, tag = source["name"].partition(":")
        stream = await self.api.stream(source.get("namespace", namespace), name)
        found = find_tag((stream or {}).get("status", {}).get("tags", []), tag, "tag")
        return found["items"][0]["image"] if found else ""

    async def _store(self, namespace: str, name: str, wanted: Json) -> None:
        kind = {"apiVersion": f"{GROUP}/v1", "kind": "ImageStream", "metadata": {"name": name}}
        await self.api.call("POST", f"{ROOT}/namespaces/{namespace}/imagestreams", kind)
        await self.api.change(namespace, name, partial(_become, wanted=wanted))

    async def _ask(
        self, kind: str, new: Json, old: Json | None, *, dry_run: bool = False
    ) -> Answer:
        request: dict[str, Any] = {
            "uid": str(uuid.uuid4()),
            "kind": {"group": GROUP, "version": "v1", "kind": kind},
            "operation": "UPDATE" if old else "CREATE",
            "name": new["metadata"]["name"],
            "namespace": new["metadata"].get("namespace", ""),
            "object": new,
            "oldObject": old,
            "dryRun": dry_run,
        }
        response = await asyncio.to_thread(self.replica.review, request)
        if response["allowed"]:
            return Answer(200 if old else 201)
        return Answer(response["status"]["code"], response["status"]["message"])

    @staticmethod
    def _tag(kind: str, namespace: str, name: str, reference: Json | None) -> Json:
        metadata = {"name": name, "namespace": namespace}
        field = "tag" if kind == "ImageStreamTag" else "spec"
        return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, field: reference}


def _stream(namespace: str, name: str) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"image.{DOMAIN}/v1", "kind": "ImageStream", "metadata": metadata}


def _become(stream: Json, *, wanted: Json) -> None:
    for part in ("spec", "status"):
        stream[part] = copy.deepcopy(wanted.get(part, {}))
