"""The rows of the lists: how full each namespace and each stream is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from app.model.domain import ApiDomain
from app.model.limits import Limit, NamespaceLimits
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting.stored_bytes import StoredBytes

Column = Literal["streams", "images", "tags", "stream-images", "stream-tags"]
COLUMNS: Mapping[Column, str] = {
    "streams": "Streams",
    "images": "Images",
    "tags": "Tags",
    "stream-images": "Images of one stream",
    "stream-tags": "Tags of one stream",
}
UNLIMITED = -1.0
_NUMBER = re.compile(r"[0-9]+")
_NOTHING = StoredBytes(0, 0)


class Listed(Protocol):
    """What a list is filtered and sorted by."""

    @property
    def name(self) -> str: ...

    @property
    def over(self) -> int: ...

    @property
    def growth(self) -> int: ...

    @property
    def size(self) -> int: ...

    def share(self, column: Column | None) -> float: ...


@dataclass(frozen=True, slots=True)
class Row:
    """The levels of a namespace or a stream by column. Of several limits, the fullest counts."""

    name: str
    levels: Mapping[Column, Level]
    shares: Mapping[Column, float]
    """The used fraction of each limit; 1.0 is full."""
    peak: float
    """The highest share; UNLIMITED for a row without limits."""
    stored: StoredBytes = _NOTHING
    """The bytes that its images store."""
    growth: int = 0
    """The number of images that a namespace has gained in a day; 0 for streams."""

    @classmethod
    def of(
        cls,
        name: str,
        levels: Mapping[Column, Level],
        stored: StoredBytes = _NOTHING,
        growth: int = 0,
    ) -> "Row":
        shares = {column: share(level) for column, level in levels.items()}
        peak = max(shares.values(), default=UNLIMITED)
        return cls(name, levels, shares, peak, stored, growth)

    @property
    def over(self) -> int:
        """The largest excess over a limit."""
        return max((level.over for level in self.levels.values()), default=0)

    @property
    def size(self) -> int:
        """The known bytes that its images store."""
        return self.stored.known

    def share(self, column: Column | None) -> float:
        """The share of one column, or the highest share."""
        return self.peak if column is None else self.shares.get(column, UNLIMITED)

    def fullest_stream(self, column: Column | None) -> Level | None:
        """The level of a namespace's fullest stream: in this column, if it counts single streams,
        else in the fuller one of these columns. None if streams have no limits."""
        names: tuple[Column, ...] = ("stream-images", "stream-tags")
        asked = [name for name in names if name == column] or names
        found = [name for name in asked if name in self.levels]
        return self.levels[max(found, key=self.share)] if found else None


@dataclass(slots=True)
class StreamRow:
    """The numbers that lists of streams are sorted by. There are many, so each is small."""

    name: str
    image_count: int
    tag_count: int
    over: int
    size: int
    """The known bytes that its images store."""
    unknown: int
    """The number of images whose bytes are unknown."""
    images: float
    tags: float
    """The shares of the two columns."""

    @classmethod
    def of(
        cls, name: str, stream: StreamUsage, limits: NamespaceLimits, stored: StoredBytes
    ) -> "StreamRow":
        counts = (
            (stream.image_count, limits.stream_images),
            (stream.tag_count, limits.stream_tags),
        )
        over = max(0 if limit is None else used - limit.max.floor for used, limit in counts)
        images, tags = (
            UNLIMITED if limit is None else _share(used, limit.max.floor) for used, limit in counts
        )
        used = (stream.image_count, stream.tag_count)
        return cls(name, *used, max(over, 0), stored.known, stored.unknown, images, tags)

    @property
    def growth(self) -> int:
        return 0

    @property
    def stored(self) -> StoredBytes:
        return StoredBytes(self.size, self.unknown)

    def share(self, column: Column | None) -> float:
        """The share of one column, or the highest share."""
        if column is None:
            return max(self.images, self.tags)
        return {"images": self.images, "tags": self.tags}.get(column, UNLIMITED)


def natural(name: str) -> str:
    """A key that orders `stream-2` before `stream-10`.

    Each number is written as the count of its digits and its digits. Names whose numbers differ in
    leading zeros alone are ordered by their text.
    """
    return f"{_NUMBER.sub(_with_length, name)}\0{name}"


def _with_length(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"{len(digits):03d}{digits}"


def share(level: Level) -> float:
    """The used fraction of a limit, to sort by: infinite if a limit of zero is exceeded,
    UNLIMITED without a limit."""
    left = level.left
    if level.hard is None or left is None:
        return UNLIMITED
    return _share(level.hard.floor - left, level.hard.floor)


def _share(used: int, hard: int) -> float:
    if hard <= 0:
        return 1.0 if used <= hard else float("inf")
    return used / hard


def of_namespace(
    namespace: str,
    usage: NamespaceUsage,
    limits: NamespaceLimits,
    fullest: Iterable[Level],
    domain: ApiDomain,
    stored: StoredBytes = _NOTHING,
    growth: int = 0,
) -> Row:
    """The row of a namespace: its quotas, and the levels of its fullest streams."""
    columns = columns_of(domain)
    levels: dict[Column, Level] = {}
    for level in fullness.of_namespace(namespace, usage, limits, domain):
        column = columns[level.resource]
        if column not in levels or share(level) > share(levels[column]):
            levels[column] = level
    for level in fullest:
        levels["stream-images" if level.resource == domain.images else "stream-tags"] = level
    return Row.of(namespace, levels, stored, growth)


def of_stream(
    name: str,
    stream: StreamUsage | StreamRow,
    limits: NamespaceLimits,
    domain: ApiDomain,
    stored: StoredBytes = _NOTHING,
) -> Row:
    images = _level(name, domain.images, stream.image_count, limits.stream_images)
    tags = _level(name, domain.image_tags, stream.tag_count, limits.stream_tags)
    return Row.of(name, {"images": images, "tags": tags}, stored)


class Fullest:
    """Finds the streams with the most images and the most tags. Streams are shown one by one."""

    def __init__(self) -> None:
        self._images = ("", -1)
        self._tags = ("", -1)

    def see(self, name: str, stream: StreamUsage) -> None:
        if stream.image_count > self._images[1]:
            self._images = (name, stream.image_count)
        if stream.tag_count > self._tags[1]:
            self._tags = (name, stream.tag_count)

    def levels(self, limits: NamespaceLimits, domain: ApiDomain) -> Iterator[Level]:
        """The levels of these streams, if streams are limited. All have the same limits."""
        if limits.stream_images and self._images[0]:
            yield _level(self._images[0], domain.images, self._images[1], limits.stream_images)
        if limits.stream_tags and self._tags[0]:
            yield _level(self._tags[0], domain.image_tags, self._tags[1], limits.stream_tags)


def columns_of(domain: ApiDomain) -> Mapping[str, Column]:
    """The column of each resource of a namespace."""
    return {domain.imagestreams: "streams", domain.images: "images", domain.image_tags: "tags"}


def _level(stream: str, resource: str, used: int, limit: Limit | None) -> Level:
    if limit is None:
        return Level("ImageStream", stream, resource, used)
    source = f"LimitRange {limit.source}"
    return Level("ImageStream", stream, resource, used, hard=limit.max, source=source)
