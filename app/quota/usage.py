"""The usage index: the stored members of every namespace, updated one stream at a time.

The cost of an update is the size of the stream. The cost of a question is the size of the question.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from sys import intern
from typing import Self
from weakref import WeakSet

from app.model.stream import CountedStream, ImageStream
from app.quota.digests import Packed, pack, unpack
from app.quota.members import Members

_History = Packed | tuple[Packed, ...]
"""The digests of one tag, newest first; most tags have had one."""


class StreamUsage:
    """The tags of one stream and the digests that each has pointed at.

    A tag that only `spec.tags` names has no digests.
    """

    __slots__ = ("_sorted", "_tags", "image_count")

    untagged = 0
    """The number of stored images that no tag reaches. They do not count. An ImageStream has none;
    a repository behind the gateway may have some."""

    def __init__(self, tags: Mapping[str, Sequence[str]]) -> None:
        self._tags = {intern(tag): _history(digests) for tag, digests in tags.items()}
        self._sorted: list[str] = []
        self.image_count = len(self.packed_images)

    @classmethod
    def of(cls, stream: ImageStream | CountedStream) -> "StreamUsage":
        tags: dict[str, Sequence[str]] = dict.fromkeys(stream.spec.tag_names, ())
        for tag, events in stream.status.histories.items():
            tags[tag] = [image for event in events if (image := event.get("image"))]
        return cls(tags)

    def copy(self) -> Self:
        copied = copy(self)
        copied._tags = dict(self._tags)
        return copied

    @property
    def tag_count(self) -> int:
        return len(self._tags)

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(self._tags)

    @property
    def packed_images(self) -> frozenset[Packed]:
        found = set[Packed]()
        for history in self._tags.values():
            if isinstance(history, bytes):
                found.add(history)
            else:
                found.update(history)
        return frozenset(found)

    @property
    def images(self) -> frozenset[str]:
        return frozenset(map(unpack, self.packed_images))

    def newest_images(self, revisions: int) -> frozenset[Packed]:
        """The images in the newest `revisions` entries of each tag's history."""
        return frozenset(
            digest for history in self._tags.values() for digest in _each(history)[:revisions]
        )

    def has_tag(self, tag: str) -> bool:
        return tag in self._tags

    def history(self, tag: str) -> tuple[str, ...]:
        """The digests that a tag has pointed at, newest first. A digest may occur twice."""
        return tuple(map(unpack, _each(self._tags.get(tag, ()))))

    def latest(self, tag: str) -> str | None:
        """The digest that a tag points at now."""
        digests = _each(self._tags.get(tag, ()))
        return unpack(digests[0]) if digests else None

    def image_named(self, beginning: str) -> str | None:
        """The digest with this beginning, with or without `sha256:`. None if there is none, or
        more than one.

        The digests are sorted at the first call.
        """
        if not self._sorted:
            self._sorted = sorted(self.images)
        found: set[str] = set()
        for start in (beginning, f"sha256:{beginning}"):
            index = bisect_left(self._sorted, start)
            found.update(
                digest for digest in self._sorted[index : index + 2] if digest.startswith(start)
            )
        return found.pop() if len(found) == 1 else None

    def members(self, name: str) -> Members:
        return Members(
            frozenset({name}),
            frozenset((name, digest) for digest in self.images),
            frozenset((name, tag) for tag in self._tags),
        )

    def without(self, other: "StreamUsage | None", name: str) -> Members:
        """The images and tags that are in this state of a stream and not in `other`.

        `name`: the stream's name; `other`: None if the stream is missing.
        """
        images, tags = self.packed_images, set(self._tags)
        if other is not None:
            images, tags = images - other.packed_images, tags - other._tags.keys()
        return Members(
            images=frozenset((name, unpack(digest)) for digest in images),
            tags=frozenset((name, tag) for tag in tags),
        )


def _history(digests: Sequence[str]) -> _History:
    return pack(digests[0]) if len(digests) == 1 else tuple(map(pack, digests))


def _each(history: _History) -> tuple[Packed, ...]:
    return (history,) if isinstance(history, bytes) else history


class EarlierStreams:
    """The streams of a namespace that have changed since a moment, as they were at that moment."""

    def __init__(self) -> None:
        self._streams: dict[str, StreamUsage | None] = {}

    def get(self, name: str) -> StreamUsage | None:
        """None for a stream that has not changed, or that did not exist."""
        return self._streams.get(name)

    def note(self, name: str, before: StreamUsage | None) -> None:
        self._streams.setdefault(name, before)


class NamespaceUsage:
    """The observed sets of one namespace."""

    def __init__(self) -> None:
        self.streams: dict[str, StreamUsage] = {}
        self.tag_count = 0
        self._holders: dict[Packed, str | set[str]] = {}
        """The streams that hold an image; most images are in one."""
        self._earlier: WeakSet[EarlierStreams] | None = None
        """Those that are in use."""

    @property
    def stream_count(self) -> int:
        return len(self.streams)

    @property
    def image_count(self) -> int:
        return len(self._holders)

    @property
    def untagged(self) -> int:
        """The number of stored images that do not count. Its cost is the number of streams."""
        return sum(stream.untagged for stream in self.streams.values())

    def put(self, name: str, stream: StreamUsage | None) -> None:
        """Replace the known state of a stream; None for a deleted stream."""
        old = self.streams.pop(name, None)
        for earlier in self._earlier or ():
            earlier.note(name, old)
        if old is not None:
            self.tag_count -= old.tag_count
            for digest in old.packed_images:
                self._forget(digest, name)
        if stream is not None:
            self.streams[name] = stream
            self.tag_count += stream.tag_count
            for digest in stream.packed_images:
                self._remember(digest, name)

    def remember(self) -> EarlierStreams:
        """Keep what changes from now on as it is now, for as long as the result is in use. This
        costs nothing for streams that do not change."""
        if self._earlier is None:
            self._earlier = WeakSet()
        earlier = EarlierStreams()
        self._earlier.add(earlier)
        return earlier

    def change(
        self, name: str, tags: int, gained: Iterable[Packed], lost: Iterable[Packed]
    ) -> None:
        """Count a change of a stream, before it is made in place: `tags` more tags, and the images
        that the stream gains and loses. The cost is the size of the change."""
        if self._earlier:
            before = self.streams[name].copy()
            for earlier in self._earlier:
                earlier.note(name, before)
        self.tag_count += tags
        for digest in gained:
            self._remember(digest, name)
        for digest in lost:
            self._forget(digest, name)

    def newest_image_count(self, revisions: int) -> int:
        """The number of distinct images in the newest `revisions` entries of each tag's history."""
        newest = (stream.newest_images(revisions) for stream in self.streams.values())
        return len(frozenset().union(*newest))

    def references(self, digest: str) -> int:
        """The number of streams that hold an image."""
        holders = self._holders.get(pack(digest))
        if holders is None:
            return 0
        return 1 if isinstance(holders, str) else len(holders)

    def has_image(self, stream: str, digest: str) -> bool:
        holders = self._holders.get(pack(digest))
        return holders == stream if isinstance(holders, str | None) else stream in holders

    def images_of(self, stream: str) -> frozenset[str]:
        """The digests of one stream. It costs the stream's size, so decisions use `has_image`."""
        return self.streams[stream].images if stream in self.streams else frozenset()

    def image_count_of(self, stream: str) -> int:
        return self.streams[stream].image_count if stream in self.streams else 0

    def tag_count_of(self, stream: str) -> int:
        return self.streams[stream].tag_count if stream in self.streams else 0

    def has_tag(self, stream: str, tag: str) -> bool:
        return stream in self.streams and self.streams[stream].has_tag(tag)

    def holds_any(self, members: Members) -> bool:
        """Whether any of these members is stored."""
        return (
            any(name in self.streams for name in members.streams)
            or any(self.has_image(*pair) for pair in members.images)
            or any(self.has_tag(*pair) for pair in members.tags)
        )

    def missing(self, members: Members) -> Members:
        """The members that are not stored yet."""
        return Members(
            frozenset(name for name in members.streams if name not in self.streams),
            frozenset(pair for pair in members.images if not self.has_image(*pair)),
            frozenset(pair for pair in members.tags if not self.has_tag(*pair)),
        )

    def _remember(self, digest: Packed, stream: str) -> None:
        holders = self._holders.setdefault(digest, stream)
        if isinstance(holders, set):
            holders.add(stream)
        elif holders != stream:
            self._holders[digest] = {holders, stream}

    def _forget(self, digest: Packed, stream: str) -> None:
        holders = self._holders[digest]
        if isinstance(holders, set):
            holders.discard(stream)
            if holders:
                return
        del self._holders[digest]


class UsageIndex:
    """The observed sets of every namespace."""

    def __init__(self) -> None:
        self._namespaces: dict[str, NamespaceUsage] = {}

    def __getitem__(self, namespace: str) -> NamespaceUsage:
        """The usage of a namespace; an empty one if nothing is stored in it."""
        return self._namespaces.get(namespace) or NamespaceUsage()

    def __iter__(self) -> Iterator[str]:
        return iter(self._namespaces)

    def put(self, namespace: str, name: str, stream: StreamUsage | None) -> None:
        usage = self._namespaces.setdefault(namespace, NamespaceUsage())
        usage.put(name, stream)
        if not usage.streams:
            del self._namespaces[namespace]

    @property
    def holds_images(self) -> bool:
        return any(usage.image_count for usage in self._namespaces.values())
