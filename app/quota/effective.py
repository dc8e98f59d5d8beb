"""Effective usage: observed ∪ reserved, as numbers that a decision can be taken on."""

from dataclasses import dataclass

from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage


@dataclass(frozen=True)
class Change:
    """What a request does to one count: the use before it, new members, and members it frees."""

    used: int
    requested: int
    freed: int = 0

    @property
    def after(self) -> int:
        return self.used + self.requested - self.freed

    def exceeds(self, hard: int) -> bool:
        """Whether a count that may reach `hard` is passed *by this request*.

        A request that adds nothing, or takes away as much as it adds, repairs a violation
        or leaves it as it was: it always passes.
        """
        return self.after > hard and self.after > self.used


@dataclass(frozen=True)
class NamespaceChange:
    imagestreams: Change
    images: Change
    image_tags: Change


@dataclass(frozen=True)
class StreamChange:
    images: Change
    image_tags: Change


@dataclass(frozen=True)
class Assessment:
    """Everything that a decision on one request needs to know of a namespace."""

    unseen: Members
    """What the request claims and is not stored."""
    namespace: NamespaceChange
    streams: dict[str, StreamChange]


class Effective:
    """A namespace's observed usage with the members that are reserved on top of it.

    Building it costs the number of reservations in flight, a question about it the size of
    the question.
    """

    def __init__(self, usage: NamespaceUsage) -> None:
        self._usage = usage
        self._streams: set[str] = set()
        self._images: dict[str, set[str]] = {}
        self._tags: dict[str, set[str]] = {}
        self._digests: set[str] = set()
        self._new_digests = 0
        self._tag_count = 0

    def add(self, members: Members) -> None:
        """Count members as taken; those that are counted already change nothing."""
        new = self.missing(members)
        self._streams |= new.streams
        for stream, digest in new.images:
            self._images.setdefault(stream, set()).add(digest)
            self._new_digests += not self._counted(digest)
            self._digests.add(digest)
        for stream, tag in new.tags:
            self._tags.setdefault(stream, set()).add(tag)
        self._tag_count += len(new.tags)

    def missing(self, members: Members) -> Members:
        """The members that are neither observed nor reserved."""
        return self._unreserved(self._usage.missing(members))

    def _unreserved(self, unseen: Members) -> Members:
        if not self._streams and not self._images and not self._tags:
            return unseen
        return Members(
            unseen.streams - self._streams,
            frozenset(pair for pair in unseen.images if pair[1] not in self._reserved_images(pair)),
            frozenset(pair for pair in unseen.tags if pair[1] not in self._reserved_tags(pair)),
        )

    def assess(self, claims: Claims) -> Assessment:
        """What a request does to the namespace, and to each stream that it touches."""
        unseen = self._usage.missing(claims.adds)
        new = self._unreserved(unseen)
        names = claims.adds.touched_streams | claims.open_ended
        if len(names) == 1:
            [name] = names
            streams = {name: self._stream_change(name, new, claims.removes)}
        else:
            streams = {
                name: self._stream_change(name, new.of_stream(name), claims.removes)
                for name in names
            }
        return Assessment(unseen, self._namespace_change(claims, new), streams)

    def _namespace_change(self, claims: Claims, new: Members) -> NamespaceChange:
        usage, digests = self._usage, {digest for _, digest in claims.adds.images}
        unseen_digests = {digest for digest in digests if not usage.references(digest)}
        freed = {digest for _, digest in claims.removes.images if self._frees(digest)} - digests
        return NamespaceChange(
            Change(usage.stream_count + len(self._streams), len(new.streams)),
            Change(
                usage.image_count + self._new_digests,
                len(unseen_digests - self._digests),
                len(freed),
            ),
            Change(
                usage.tag_count + self._tag_count,
                len(new.tags),
                sum(1 for pair in claims.removes.tags if usage.has_tag(*pair)),
            ),
        )

    def _stream_change(self, name: str, new: Members, removes: Members) -> StreamChange:
        """`new` are members of this stream; `removes` may hold others too."""
        usage, removed = self._usage, removes.of_stream(name) if removes else removes
        observed = usage.images_of(name)
        return StreamChange(
            Change(
                len(observed) + len(self._images.get(name, ())),
                len(new.images),
                sum(1 for _, digest in removed.images if digest in observed),
            ),
            Change(
                usage.tag_count_of(name) + len(self._tags.get(name, ())),
                len(new.tags),
                sum(1 for pair in removed.tags if usage.has_tag(*pair)),
            ),
        )

    def _counted(self, digest: str) -> bool:
        return bool(self._usage.references(digest)) or digest in self._digests

    def _frees(self, digest: str) -> bool:
        """Whether an image leaves the namespace with the one stream that drops it."""
        return self._usage.references(digest) == 1 and digest not in self._digests

    def _reserved_images(self, pair: tuple[str, str]) -> set[str]:
        return self._images.get(pair[0], set())

    def _reserved_tags(self, pair: tuple[str, str]) -> set[str]:
        return self._tags.get(pair[0], set())
