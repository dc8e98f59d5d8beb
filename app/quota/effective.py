"""Effective usage: observed ∪ reserved, as numbers that a decision can be taken on."""

from dataclasses import dataclass

from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage


@dataclass(frozen=True)
class Change:
    """What a request does to one count: the use before it, new members, and members it frees.

    `pending` of the used are reserved by others and not seen stored.
    """

    used: int
    requested: int
    freed: int = 0
    pending: int = 0

    @property
    def after(self) -> int:
        return self.used + self.requested - self.freed

    def exceeds(self, hard: int) -> bool:
        """Whether a count that may reach `hard` is passed *by this request*.

        A request that adds nothing, or takes away as much as it adds, repairs a violation
        or leaves it as it was: it always passes.
        """
        return self.after > hard and self.after > self.used and self.requested > 0

    def unsettled(self, hard: int) -> bool:
        """Whether a view that is not up to date may be what lets this request pass.

        Observed and reserved members together pass a limit only when one that is still seen
        has been deleted and its place was taken. A request for the deleted one adds nothing in
        such a view, but it does in truth: it has to wait until the view has caught up.
        """
        return self.after > hard and self.pending > 0 and not self.exceeds(hard)


@dataclass(frozen=True)
class NamespaceChange:
    imagestreams: Change
    images: Change
    image_tags: Change


@dataclass(frozen=True)
class StreamChange:
    images: Change
    image_tags: Change


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

    def missing(self, members: Members) -> Members:
        """The members that are neither observed nor reserved."""
        unseen = self._usage.missing(members)
        return Members(
            unseen.streams - self._streams,
            frozenset(pair for pair in unseen.images if pair[1] not in self._reserved_images(pair)),
            frozenset(pair for pair in unseen.tags if pair[1] not in self._reserved_tags(pair)),
        )

    def change(self, claims: Claims) -> NamespaceChange:
        """What a request does to the namespace."""
        new, unseen = self.missing(claims.adds), self._usage.missing(claims.adds)
        own = unseen - new
        digests = {digest for _, digest in claims.adds.images}
        freed = {digest for _, digest in claims.removes.images if self._frees(digest)} - digests
        tags = sum(map(len, self._tags.values()))
        unseen_digests = {digest for digest in digests if not self._usage.references(digest)}
        own_digests = unseen_digests & self._digests
        return NamespaceChange(
            Change(
                self._usage.stream_count + len(self._streams),
                len(new.streams),
                pending=len(self._streams) - len(own.streams),
            ),
            Change(
                self._usage.image_count + self._new_digests,
                len(unseen_digests - own_digests),
                len(freed),
                pending=self._new_digests - len(own_digests),
            ),
            Change(
                self._usage.tag_count + tags,
                len(new.tags),
                sum(1 for pair in claims.removes.tags if self._usage.has_tag(*pair)),
                pending=tags - len(own.tags),
            ),
        )

    def stream_change(self, stream: str, claims: Claims) -> StreamChange:
        """What a request does to one stream."""
        adds, removes = claims.adds.of_stream(stream), claims.removes.of_stream(stream)
        new = self.missing(adds)
        own = self._usage.missing(adds) - new
        observed = self._usage.images_of(stream)
        images, tags = len(self._images.get(stream, ())), len(self._tags.get(stream, ()))
        return StreamChange(
            Change(
                len(observed) + images,
                len(new.images),
                sum(1 for _, digest in removes.images if digest in observed),
                pending=images - len(own.images),
            ),
            Change(
                self._usage.tag_count_of(stream) + tags,
                len(new.tags),
                sum(1 for pair in removes.tags if self._usage.has_tag(*pair)),
                pending=tags - len(own.tags),
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
