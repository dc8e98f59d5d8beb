"""What images take in storage, read slowly in the background and kept within bounds.

Layers that several images share are stored once, so the sizes of images do not add up.
"""

import asyncio
import hashlib
import logging
import time
from array import array
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from app.cluster.api import ApiError
from app.model.image import StoredImage
from app.quota.digests import Packed, pack, unpack
from app.quota.state import StateUnavailableError
from app.quota.usage import NamespaceUsage
from app.reporting.stored_bytes import StoredBytes

logger = logging.getLogger("registry_admission.page")

CAPACITY = 50_000
"""Images whose blobs are kept: some 20 MB."""
_BLOBS_EACH = 20
"""Blobs and listed images, for each of those images, that are kept in all."""
MOST_BLOBS = 1000
"""Blobs and listed images of one image, with those of all that it lists. A larger image is
unknown: who pushes chooses the number, and adding up must not keep reviews waiting."""
_PAUSE = 60.0
"""Seconds from one round over all namespaces to the next."""
_SHARE = 0.1
"""The part of the time in which an Image may be read."""
_ABSENT_FOR = 3600.0
"""Seconds until an Image that could not be read is asked for again."""
_STRIDE = 200
"""Streams or images after which others may run."""

_Kept = tuple["array[int]", tuple[Packed, ...]]
"""Keys and bytes of an image's blobs in turn, and the images that it lists."""


Item = TypeVar("Item")


class State(Protocol):
    def usage(self, namespace: str) -> NamespaceUsage: ...


class StoredSizes:
    """Sums for namespaces and streams over the images that were read until now."""

    def __init__(
        self,
        state: State,
        namespaces: Callable[[], Iterable[str]],
        read: Callable[[str], Awaitable[StoredImage | None]],
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` finds an Image by its digest and may raise ApiError."""
        self._state = state
        self._namespaces = namespaces
        self._read = read
        self._capacity = capacity
        self._clock = clock
        self._kept: dict[Packed, _Kept] = {}
        self._held = 0
        """Blobs and listed images of all that are kept."""
        self._absent: dict[Packed, float] = {}
        self._totals: dict[str, StoredBytes] = {}

    def of_namespace(self, namespace: str, images: int) -> StoredBytes:
        """The sum of the last round; all of its `images` are unknown before the first."""
        return self._totals.get(namespace) or StoredBytes(0, images)

    async def of(self, images: Collection[Packed]) -> StoredBytes:
        """The sum over these images; others run between parts of them."""
        distinct: dict[int, int] = {}
        unknown = 0
        for number, batch in enumerate(_parts(list(images))):
            if number:
                await asyncio.sleep(0)
            unknown += self._add_up(batch, distinct)
        return StoredBytes(sum(distinct.values()), unknown)

    async def run(self) -> None:
        """Read until cancelled."""
        problem = ""
        while True:
            try:
                await self.round()
                problem = ""
            except ApiError as error:
                if str(error) != problem:
                    logger.warning("sizes of images are not read", extra={"problem": str(error)})
                problem = str(error)
            await asyncio.sleep(_PAUSE)

    async def round(self) -> None:
        """Read the images that are new, and add up every namespace. Raises ApiError."""
        totals: dict[str, StoredBytes] = {}
        seen: set[Packed] = set()
        for namespace in list(self._namespaces()):
            try:
                streams = list(self._state.usage(namespace).streams.values())
            except StateUnavailableError:
                continue
            images: set[Packed] = set()
            for part in _parts(streams):
                images.update(*(stream.packed_images for stream in part))
                await asyncio.sleep(0)
            for batch in _parts(list(images)):
                for image in batch:
                    if not self._settled(image, seen):
                        await self._learn(image, seen)
                await asyncio.sleep(0)
            totals[namespace] = self._totals[namespace] = await self.of(images)
        self._totals = totals
        for image in self._kept.keys() - seen:
            self._held -= _weight(self._kept.pop(image))
        for image in self._absent.keys() - seen:
            del self._absent[image]

    def _add_up(self, images: Iterable[Packed], distinct: dict[int, int]) -> int:
        """Put the blobs of images into `distinct`; how many of the images are unknown."""
        unknown = 0
        for image in images:
            blobs = self._blobs(image)
            if blobs is None:
                unknown += 1
            else:
                distinct |= blobs
        return unknown

    def _settled(self, image: Packed, seen: set[Packed]) -> bool:
        """Whether there is nothing to ask: most images of most rounds."""
        kept = self._kept.get(image)
        if kept is None:
            return self._is_full() and image not in self._absent
        if not kept[1]:
            seen.add(image)
        return not kept[1]

    async def _learn(self, image: Packed, seen: set[Packed]) -> None:
        """Read an image, and those that it lists, if they are not known yet."""
        waiting = [image]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            if one not in self._kept and self._wanted(one):
                await self._ask(one)
            if one in self._kept:
                seen.add(one)
                waiting += self._kept[one][1]
            elif one in self._absent:
                seen.add(one)

    def _wanted(self, image: Packed) -> bool:
        if image in self._absent:
            return self._clock() > self._absent[image] + _ABSENT_FOR
        return not self._is_full()

    def _is_full(self) -> bool:
        known = len(self._kept) + len(self._absent)
        return known >= self._capacity or self._held >= _BLOBS_EACH * self._capacity

    async def _ask(self, image: Packed) -> None:
        started = time.perf_counter()
        found = await self._read(unpack(image))
        entries = len(found.blobs) + len(found.children) if found else 0
        if found is None or not 0 < entries <= MOST_BLOBS:
            self._absent[image] = self._clock()
        else:
            self._absent.pop(image, None)
            self._kept[image] = _packed(found)
            self._held += entries
        # The API server, and reviews in this process, have the rest of the time.
        await asyncio.sleep((time.perf_counter() - started) * (1 / _SHARE - 1))

    def _blobs(self, image: Packed) -> dict[int, int] | None:
        """Bytes by blob of an image and of all that it lists; None if one of them is unknown, or if
        they are too many."""
        found: dict[int, int] = {}
        waiting, seen, entries = [image], {image}, 0
        while waiting:
            kept = self._kept.get(waiting.pop())
            if kept is None or (entries := entries + _weight(kept)) > MOST_BLOBS:
                return None
            blobs, children = kept
            found.update(zip(blobs[::2], blobs[1::2], strict=True))
            waiting += [child for child in children if child not in seen]
            seen.update(children)
        return found


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """So many at a time that reviews do not wait."""
    return (items[start : start + _STRIDE] for start in range(0, len(items), _STRIDE))


def _weight(kept: _Kept) -> int:
    """The number of blobs and listed images."""
    blobs, children = kept
    return len(blobs) // 2 + len(children)


def _packed(image: StoredImage) -> _Kept:
    flat = (number for digest, size in image.blobs.items() for number in (_key(digest), size))
    return array("Q", flat), tuple(map(pack, image.children))


def _key(digest: str) -> int:
    """A short key for a blob, so that fifty thousand images take little memory."""
    return int.from_bytes(hashlib.sha256(digest.encode(errors="replace")).digest()[:8])
