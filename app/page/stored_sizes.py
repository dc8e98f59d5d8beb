"""The bytes that images store. Images are read slowly in the background, and memory is bounded.

Layers that several images share are stored once. So the bytes of a namespace are less than the sum
of its images.
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
"""The number of images whose blobs are kept, which take about 20 MB."""
_BLOBS_EACH = 20
"""The average number of blobs and listed images for each of these images. In all, CAPACITY times
this number is kept."""
MOST_BLOBS = 1000
"""The number of blobs and listed images that one image may have, together with all images that it
lists. The size of an image with more is unknown: users choose the number, and adding up must not
delay reviews."""
_PAUSE = 60.0
"""Seconds from one round over all namespaces to the next."""
_SHARE = 0.1
"""The fraction of the time in which Images are read."""
_ABSENT_FOR = 3600.0
"""Seconds until an Image that could not be read is asked for again."""
_FAILED_FOR = 600.0
"""Seconds until an Image that was answered with an error is asked for again."""
_IN_A_ROW = 20
"""After this number of errors in a row, a round asks for no more Images: the API is down."""
_STRIDE = 200
"""After this number of streams or images, reviews may run."""

_Kept = tuple["array[int]", tuple[Packed, ...]]
"""An array of a key and bytes for each blob of an image, and the images that it lists."""


Item = TypeVar("Item")


class State(Protocol):
    def usage(self, namespace: str) -> NamespaceUsage: ...


class StoredSizes:
    """Sums for namespaces and streams. Images that were not read yet count as unknown."""

    def __init__(
        self,
        state: State,
        namespaces: Callable[[], Iterable[str]],
        read: Callable[[str], Awaitable[StoredImage | None]],
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` reads an Image by its digest. It may raise ApiError."""
        self._state = state
        self._namespaces = namespaces
        self._read = read
        self._capacity = capacity
        self._clock = clock
        self._kept: dict[Packed, _Kept] = {}
        self._held = 0
        """The number of blobs and listed images that are kept."""
        self._absent: dict[Packed, float] = {}
        """Images that could not be read, and when they are asked for again."""
        self._failing: dict[Packed, ApiError] = {}
        """The images in `_absent` whose last answer was an error."""
        self._errors_in_a_row = 0
        self._totals: dict[str, StoredBytes] = {}

    def of_namespace(self, namespace: str, images: int) -> StoredBytes:
        """The sum of the last round. Before the first round, all `images` are unknown."""
        return self._totals.get(namespace) or StoredBytes(0, images)

    async def of(self, images: Collection[Packed]) -> StoredBytes:
        """The sum over these images. Reviews run between two parts."""
        distinct: dict[int, int] = {}
        unknown = 0
        for number, batch in enumerate(_parts(list(images))):
            if number:
                await asyncio.sleep(0)
            unknown += self._add_up(batch, distinct)
        return StoredBytes(sum(distinct.values()), unknown)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(_PAUSE)

    async def round(self) -> None:
        """Read the new images, and add up each namespace.

        An Image that is answered with an error counts as unknown, and its first error is logged.
        """
        failed_before = set(self._failing)
        self._errors_in_a_row = 0
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
            self._failing.pop(image, None)
        _log([error for image, error in self._failing.items() if image not in failed_before])

    def _add_up(self, images: Iterable[Packed], distinct: dict[int, int]) -> int:
        """Put the blobs of images into `distinct`. Returns the number of unknown images."""
        unknown = 0
        for image in images:
            blobs = self._blobs(image)
            if blobs is None:
                unknown += 1
            else:
                distinct |= blobs
        return unknown

    def _settled(self, image: Packed, seen: set[Packed]) -> bool:
        """Whether an image and its listed images are known, which is the usual case."""
        kept = self._kept.get(image)
        if kept is None:
            return self._is_full() and image not in self._absent
        if not kept[1]:
            seen.add(image)
        return not kept[1]

    async def _learn(self, image: Packed, seen: set[Packed]) -> None:
        """Read an image and the images that it lists, unless they are known."""
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
        if self._errors_in_a_row >= _IN_A_ROW:
            return False
        if image in self._absent:
            return self._clock() > self._absent[image]
        return not self._is_full()

    def _is_full(self) -> bool:
        known = len(self._kept) + len(self._absent)
        return known >= self._capacity or self._held >= _BLOBS_EACH * self._capacity

    async def _ask(self, image: Packed) -> None:
        started = time.perf_counter()
        try:
            found = await self._read(unpack(image))
        except ApiError as error:
            found, self._failing[image] = None, error
            self._errors_in_a_row += 1
        else:
            self._failing.pop(image, None)
            self._errors_in_a_row = 0
        entries = len(found.blobs) + len(found.children) if found else 0
        if found is None or not 0 < entries <= MOST_BLOBS:
            wait = _FAILED_FOR if image in self._failing else _ABSENT_FOR
            self._absent[image] = self._clock() + wait
        else:
            self._absent.pop(image, None)
            self._kept[image] = _packed(found)
            self._held += entries
        # Leave the rest of the time to the API server and to reviews.
        await asyncio.sleep((time.perf_counter() - started) * (1 / _SHARE - 1))

    def _blobs(self, image: Packed) -> dict[int, int] | None:
        """Bytes by blob of an image and of the images that it lists. None if one of them is
        unknown, or if there are too many blobs."""
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


def _log(errors: Sequence[ApiError]) -> None:
    if errors:
        more = {"problem": str(errors[0]), "images": len(errors)}
        logger.warning("sizes of images are not read", extra=more)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in parts of _STRIDE."""
    return (items[start : start + _STRIDE] for start in range(0, len(items), _STRIDE))


def _weight(kept: _Kept) -> int:
    """The number of blobs and listed images."""
    blobs, children = kept
    return len(blobs) // 2 + len(children)


def _packed(image: StoredImage) -> _Kept:
    flat = (number for digest, size in image.blobs.items() for number in (_key(digest), size))
    return array("Q", flat), tuple(map(pack, image.children))


def _key(digest: str) -> int:
    """A short key for a blob, to save memory."""
    return int.from_bytes(hashlib.sha256(digest.encode(errors="replace")).digest()[:8])
