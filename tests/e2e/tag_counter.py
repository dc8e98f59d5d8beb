"""Counts the stored tags of each namespace after every change."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from functools import partial

import httpx

from .history import Json
from .image_api import RETRY_DELAY, ROOT, ImageApi


class TagCounter:
    """Follows all ImageStreams: polling would miss a short excess."""

    def __init__(self, image_api: ImageApi) -> None:
        self._image_api = image_api
        self._tags: dict[tuple[str, str], list[str]] = {}
        self.now: Counter[str] = Counter()
        """The number of tags, by namespace."""
        self.most: Counter[str] = Counter()
        """The highest count that was seen."""
        self.deleted: Counter[str] = Counter()

    async def run(self) -> None:
        """Count until cancelled. After a lost connection, list the streams again."""
        while True:
            with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError):
                await self._follow()
            await asyncio.sleep(RETRY_DELAY)

    async def delete_a_tag(self, namespace: str) -> None:
        """One of the stored tags."""
        stored = [
            (name, tag)
            for (owner, name), tags in self._tags.items()
            for tag in tags
            if owner == namespace
        ]
        if stored:
            name, tag = random.choice(stored)
            with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError):
                await self._image_api.change(namespace, name, partial(_drop, tag=tag))
                self.deleted[namespace] += 1

    async def _follow(self) -> None:
        path = f"{ROOT}/imagestreams"
        _, listed = await self._image_api.call("GET", path)
        self._tags.clear()
        self.now.clear()
        for stream in listed["items"]:
            self._count(stream)
        self.most |= self.now
        async for event in self._image_api.watch(path, listed["metadata"]["resourceVersion"]):
            if event["type"] == "ERROR":
                return
            self._count(event["object"], gone=event["type"] == "DELETED")
            self.most |= self.now

    def _count(self, stream: Json, *, gone: bool = False) -> None:
        namespace, name = stream["metadata"]["namespace"], stream["metadata"]["name"]
        histories = [] if gone else stream.get("status", {}).get("tags", [])
        tags = [history["tag"] for history in histories if history["items"]]
        self.now[namespace] += len(tags) - len(self._tags.get((namespace, name), ()))
        self._tags[namespace, name] = tags


def _drop(stream: Json, tag: str) -> None:
    tags = stream["status"]["tags"]
    stream["status"]["tags"] = [history for history in tags if history["tag"] != tag]
