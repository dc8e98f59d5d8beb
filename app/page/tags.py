"""The tags of one stream, and how large the images are that they point at."""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.cluster.image_claims import with_listed
from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.policy import fullness
from app.policy.fullness import Level
from app.policy.image_weight import known_sizes
from app.quota.state import ClusterState
from app.quota.usage import StreamUsage

_AT_ONCE = 10
_WITHIN = 3.0
"""Seconds; sizes that are not known by then are shown as unknown."""
_NUMBER = re.compile(r"(\d+)", re.ASCII)


@dataclass(frozen=True)
class Tag:
    name: str
    digest: str | None
    """What it points at now; None for a tag that nothing was stored under."""
    older: int
    """Images that it has pointed at before."""
    size: Level | None
    """Against the largest size that is allowed; None if nobody knows it."""


def names(stream: StreamUsage, text: str) -> list[str]:
    """The tags with a text in their names, `v9` before `v10`."""
    text = text.lower()
    return sorted((tag for tag in stream.tags if text in tag.lower()), key=_natural)


def tags(
    stream: StreamUsage, names: Sequence[str], sizes: Mapping[str, int], limits: NamespaceLimits
) -> list[Tag]:
    return [_tag(stream, name, sizes, limits) for name in names]


async def sizes(
    state: ClusterState, digests: Collection[str], within: float = _WITHIN
) -> dict[str, int]:
    """Bytes of the images whose sizes are known within so many seconds."""
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


def _natural(tag: str) -> list[tuple[int, str]]:
    """Digits by their value, everything else as text."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in _NUMBER.split(tag)]
