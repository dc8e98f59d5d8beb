"""Effective usage: the union of stored and reserved members, as counts to compare with limits.

Three things make it more than a union:

- An update may remove members and add others. Its removed members make room for its own new
  members only. Until the update is seen, both count. Another request that claims one of them must
  claim it anew: the removed ones may be gone, and the new ones may never come. In this module, such
  a member is *unsure*. A member that a request without removals has reserved is *sure*.
- A stream may be missing: neither stored nor reserved. Then its reserved images and tags cannot be
  stored. They count only for requests that touch the stream, and for the one that makes it.
- Places in escrow may become any member of any stream.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable

from app.quota.change import Assessment, CountChange, NamespaceChange, StreamChange
from app.quota.members import NONE, Claims, Members, StreamImage, StreamTag
from app.quota.usage import NamespaceUsage


class _Reserved:
    """The reserved members of one stream."""

    def __init__(self) -> None:
        self.images: set[str] = set()
        self.tags: set[str] = set()
        """All of them. An update that removes one of these makes no room with it."""
        self.new_images: set[str] = set()
        self.new_tags: set[str] = set()
        """The ones that are not stored."""
        self.sure_images: set[str] = set()
        self.sure_tags: set[str] = set()
        """The ones that a request without removals has reserved."""


_NOTHING = _Reserved()


class EffectiveUsage:
    """The usage of a namespace with reserved members on top.

    The cost to build it is the number of reservations. The cost of a question is the size of the
    question.
    """

    def __init__(
        self, usage: NamespaceUsage, places: int = 0, *, every_stream: bool = False
    ) -> None:
        """`places`: the number of places in escrow. With any, every stream counts as one that
        exists, and no update frees a member: an escrow may hold it.

        `every_stream`: count the reserved members of missing streams as well.
        """
        self._usage = usage
        self._uncounted: list[tuple[Members, Members]] = []
        """The members and the removed members of reservations, until a question needs them."""
        self._places = places
        self._every_stream = every_stream or places > 0
        self._streams: set[str] = set()
        self._by_stream: dict[str, _Reserved] = {}
        self._digests: set[str] = set()
        self._sure_digests: set[str] = set()
        """The digests that are reserved in a stream that is not missing."""
        self._new_digests = 0
        self._new_tags = 0
        self._leaving_images: set[StreamImage] = set()
        self._leaving_tags: set[StreamTag] = set()
        self._leaving_digests: Counter[str] = Counter()

    def add(self, members: Members, removes: Members = NONE) -> None:
        """Count the members of one reservation. `removes`: the members that its request removes.

        They are counted at the next question, until which the usage must not change. Most
        decisions ask nothing after the last request.
        """
        self._uncounted.append((members, removes))

    def _count(self) -> None:
        uncounted, self._uncounted = self._uncounted, []
        for members, removes in uncounted:
            self._count_members(members, removes)

    def _count_members(self, members: Members, removes: Members) -> None:
        for name in members.streams:
            if not self._is_known(name):
                if not self._exists(name):
                    self._make(name)
                self._streams.add(name)
        for pair in members.images:
            self._add_image(pair, sure=not removes)
        for pair in members.tags:
            self._add_tag(pair, sure=not removes)
        for pair in removes.images:
            if pair not in self._leaving_images and self._usage.has_image(*pair):
                self._leaving_images.add(pair)
                self._leaving_digests[pair[1]] += 1
        self._leaving_tags |= {pair for pair in removes.tags if self._usage.has_tag(*pair)}

    def assess(self, claims: Claims) -> Assessment:
        """The effect of a request on the namespace, and on each stream that it touches."""
        self._count()
        names = claims.adds.touched_streams
        if len(names) == 1:
            [name] = names
            streams = {name: self._stream_change(name, claims.adds, claims.removes)}
        else:
            streams = {
                name: self._stream_change(
                    name, claims.adds.of_stream(name), claims.removes.of_stream(name)
                )
                for name in names
            }
        return Assessment(self._namespace_change(claims, streams), streams)

    def counts(self) -> tuple[int, int, int]:
        """The number of streams, images and tags of the namespace."""
        self._count()
        usage = self._usage
        return (
            usage.stream_count + len(self._streams) + self._places,
            usage.image_count + self._new_digests + self._places,
            usage.tag_count + self._new_tags + self._places,
        )

    def counts_of(self, stream: str) -> tuple[int, int]:
        """The number of images and tags of one stream."""
        self._count()
        usage, reserved = self._usage, self._reserved(stream)
        return (
            usage.image_count_of(stream) + len(reserved.new_images) + self._places,
            usage.tag_count_of(stream) + len(reserved.new_tags) + self._places,
        )

    def _namespace_change(
        self, claims: Claims, changes: dict[str, StreamChange]
    ) -> NamespaceChange:
        streams, images, tags = self.counts()
        missing = {name for name in changes if not self._exists(name)}
        made = missing & claims.adds.streams
        # Members that are reserved in a missing stream count as used for a request that claims
        # members of the stream, and as requested for the one that makes the stream.
        used = self._unmade_images(missing - made)
        digests = {digest for _, digest in claims.adds.images}
        wanted = {d for d in digests | self._unmade_images(made) if not self._is_sure(d)} - used
        counted = sum(1 for digest in wanted if self._counts(digest))
        freed = {digest for name, digest in claims.removes.images if self._frees(name, digest)}
        unsure_tags = sum(
            self.counts_of(name)[1] - change.image_tags.used for name, change in changes.items()
        )
        return NamespaceChange(
            CountChange(
                streams, sum(1 for name in claims.adds.streams if not self._is_known(name))
            ),
            CountChange(images + len(used) - counted, len(wanted), len(freed - digests)),
            CountChange(
                tags + self._unmade_tags(missing - made) - unsure_tags,
                sum(change.image_tags.requested for change in changes.values())
                + self._unmade_tags(made),
                sum(change.image_tags.freed for change in changes.values()),
            ),
        )

    def _stream_change(self, name: str, adds: Members, removes: Members) -> StreamChange:
        """`adds` has only members of this stream; `removes` may have others as well."""
        usage, reserved = self._usage, self._reserved(name)
        images, tags = self.counts_of(name)
        new_images, unsure_images = _new_and_unsure(
            adds.images,
            reserved.new_images,
            reserved.sure_images,
            self._leaving_images,
            usage.has_image,
        )
        new_tags, unsure_tags = _new_and_unsure(
            adds.tags, reserved.new_tags, reserved.sure_tags, self._leaving_tags, usage.has_tag
        )
        return StreamChange(
            CountChange(
                images - unsure_images,
                new_images + unsure_images,
                sum(1 for pair in removes.images if pair[0] == name and self._frees_image(pair)),
            ),
            CountChange(
                tags - unsure_tags,
                new_tags + unsure_tags,
                sum(1 for pair in removes.tags if pair[0] == name and self._frees_tag(pair)),
            ),
        )

    def _is_known(self, stream: str) -> bool:
        return stream in self._usage.streams or stream in self._streams

    def _exists(self, stream: str) -> bool:
        return self._every_stream or self._is_known(stream)

    def _add_image(self, pair: StreamImage, *, sure: bool) -> None:
        stream, digest = pair
        reserved = self._by_stream.setdefault(stream, _Reserved())
        reserved.images.add(digest)
        if sure:
            reserved.sure_images.add(digest)
        if not self._usage.has_image(stream, digest):
            reserved.new_images.add(digest)
        if self._exists(stream):
            self._count_digest(digest, sure=sure)

    def _add_tag(self, pair: StreamTag, *, sure: bool) -> None:
        stream, tag = pair
        reserved = self._by_stream.setdefault(stream, _Reserved())
        reserved.tags.add(tag)
        if sure:
            reserved.sure_tags.add(tag)
        if tag not in reserved.new_tags and not self._usage.has_tag(stream, tag):
            reserved.new_tags.add(tag)
            self._new_tags += self._exists(stream)

    def _make(self, stream: str) -> None:
        """Count the members that are reserved in a stream that was missing until now."""
        reserved = self._reserved(stream)
        self._new_tags += len(reserved.new_tags)
        for digest in reserved.images:
            self._count_digest(digest, sure=digest in reserved.sure_images)

    def _count_digest(self, digest: str, *, sure: bool) -> None:
        if sure:
            self._sure_digests.add(digest)
        if digest not in self._digests:
            self._digests.add(digest)
            self._new_digests += not self._usage.references(digest)

    def _counts(self, digest: str) -> bool:
        return digest in self._digests or bool(self._usage.references(digest))

    def _unmade_images(self, streams: set[str]) -> set[str]:
        """The images that are reserved in these missing streams only."""
        reserved = (self._reserved(name).new_images for name in streams)
        return {digest for images in reserved for digest in images if not self._counts(digest)}

    def _unmade_tags(self, streams: set[str]) -> int:
        return sum(len(self._reserved(name).new_tags) for name in streams)

    def _is_sure(self, digest: str) -> bool:
        """Whether an image stays in the namespace, whether or not updates in flight are stored."""
        if digest in self._sure_digests:
            return True
        return self._usage.references(digest) > self._leaving_digests[digest]

    def _frees(self, stream: str, digest: str) -> bool:
        """Whether an image leaves the namespace when this stream drops it."""
        if self._places or digest in self._digests or self._leaving_digests[digest]:
            return False
        return self._usage.references(digest) == 1 and self._usage.has_image(stream, digest)

    def _reserved(self, stream: str) -> _Reserved:
        return self._by_stream.get(stream, _NOTHING)

    def _frees_image(self, pair: StreamImage) -> bool:
        taken = pair in self._leaving_images or pair[1] in self._reserved(pair[0]).images
        return not (taken or self._places) and self._usage.has_image(*pair)

    def _frees_tag(self, pair: StreamTag) -> bool:
        taken = pair in self._leaving_tags or pair[1] in self._reserved(pair[0]).tags
        return not (taken or self._places) and self._usage.has_tag(*pair)


def _new_and_unsure(
    pairs: Iterable[tuple[str, str]],
    new: Container[str],
    sure: Container[str],
    leaving: Container[tuple[str, str]],
    is_stored: Callable[[str, str], bool],
) -> tuple[int, int]:
    """The number of claimed pairs that do not count yet, and of those that count but are unsure.

    All pairs belong to one stream. `new` and `sure`: its reserved members, see `_Reserved`.
    `leaving`: the members that updates remove.
    """
    added = unsure = 0
    for pair in pairs:
        name, stored = pair[1], is_stored(*pair)
        if not (stored or name in new):
            added += 1
        elif name not in sure and (pair in leaving or not stored):
            unsure += 1
    return added, unsure
