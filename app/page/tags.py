"""The tags of one stream, and the sizes of their images."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.cluster.image_claims import with_listed
from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.page.rows import natural
from app.page.steps import ordered, paced
from app.policy import fullness
from app.policy.fullness import Level
from app.policy.image_weight import known_sizes
from app.quota.state import ClusterState
from app.quota.usage import StreamUsage

_AT_ONCE = 10
_WITHIN = 3.0
"""Seconds to read sizes. Later ones are shown as unknown."""


@dataclass(frozen=True)
class Tag:
    name: str
    digest: str | None
    """The image that the tag points at; None if the tag has no image."""
    older: int
    """The number of images that the tag pointed at before."""
    size: Level | None
    """The size of the image and the size limit; None if the size is unknown."""


async def names(stream: StreamUsage, text: str) -> list[str]:
    """The tags whose names contain a text, in natural order: `v9` before `v10`."""
    text = text.lower()
    found = [tag async for tag in paced(list(stream.tags)) if text in tag.lower()]
    return await ordered(found, natural)


def tags(
    stream: StreamUsage, names: Sequence[str], sizes: Mapping[str, int], limits: NamespaceLimits
) -> list[Tag]:
    return [_tag(stream, name, sizes, limits) for name in names]


async def sizes(
    state: ClusterState, digests: Collection[str], within: float = _WITHIN
) -> dict[str, int]:
    """Bytes of each image whose size is known `within` that number of seconds, by digest."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(digest: str) -> ImageClaim | None:
        async with turns:
            return await state.image(digest)

    async def ask_all(digests: Iterable[str]) -> dict[str, ImageClaim]:
        tasks = {digest: asyncio.create_task(ask(digest)) for digest in set(digests)}
        seconds = max(until - asyncio.get_running_loop().time(), 0.0)
        done, late = await asyncio.wait(tasks.values(), timeout=seconds) if tasks else ((), ())
        for task in late:
            task.cancel()
        answers = {
            digest: task.result()
            for digest, task in tasks.items()
            if task in done and task.exception() is None
        }
        return {digest: claim for digest, claim in answers.items() if claim is not None}

    until = asyncio.get_running_loop().time() + within
    return known_sizes(await with_listed(await ask_all(digests), ask_all), digests)


def _tag(stream: StreamUsage, name: str, sizes: Mapping[str, int], limits: NamespaceLimits) -> Tag:
    history = stream.history(name)
    digest = history[0] if history else None
    size = None if digest is None else sizes.get(digest)
    level = None if digest is None or size is None else fullness.of_image(digest, size, limits)
    return Tag(name, digest, max(len(history) - 1, 0), level)
