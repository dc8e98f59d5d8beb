"""The contents of one repository, and which of its images count.

An image counts while a tag reaches it: directly, as a child of an index, or as a referrer of an
image that counts. An image that was pushed by digest also counts for a grace period, because the
tag or index that it belongs to may still come. Every other image is untagged and does not count.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import chain

from app.gateway.reached import Reached, reach
from app.model.manifest import digest_of


@dataclass(frozen=True)
class Links:
    """The other manifests that a manifest names."""

    children: frozenset[str] = frozenset()
    """Digests that an index lists, under whatever media type."""
    subject: str = ""
    """Digest of the manifest to which this one refers (`subject`)."""
    complete: bool = True
    """False if the registry failed to answer for the manifest, which may name more."""


NO_LINKS = Links()


class Contents:
    """The tags of one repository, and every known manifest in it.

    It knows at any time which images count. The cost of a change is the number of images that the
    changed tag or manifest reaches, not the size of the repository.
    """

    __slots__ = (
        "_changed_images", "_changed_tags", "_ends", "_kept", "_referrers", "_tagged",
        "counts_until", "images", "tags",
    )  # fmt: skip

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.images: dict[str, Links] = {}
        self.counts_until: dict[str, float] = {}
        """The end of the grace period of images that no tag has reached yet, in seconds since the
        epoch."""
        self._ends: list[tuple[float, str]] = []
        """A heap of the ends of grace periods, also of those that have ended already."""
        self._referrers: dict[str, set[str]] = {}
        links = partial(_linked, self.images, self._referrers)
        self._tagged = Reached(links)
        """The images that tags reach."""
        self._kept = Reached(links)
        """The images that count for another reason: a grace period, or a push in doubt."""
        self._changed_tags: set[str] = set()
        self._changed_images: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.tags or self.images or self._kept)

    def put(self, digest: str, links: Links) -> None:
        """Add a manifest, or replace its links."""
        known = self.images.get(digest)
        if known == links:
            return
        self._remove_links(digest)
        self.images[digest] = links
        self._changed_images.add(digest)
        self._relink(Reached.add_link, [(digest, child) for child in links.children])
        if links.subject:
            self._referrers.setdefault(links.subject, set()).add(digest)
            self._relink(Reached.add_link, [(links.subject, digest)])

    def drop(self, digest: str) -> None:
        """Remove a manifest. A tag that points at it still counts, and so does this image."""
        if digest in self.images:
            self._end_grace(digest)
            self._remove_links(digest)
            del self.images[digest]
            self._changed_images.add(digest)

    def point(self, tag: str, digest: str) -> None:
        """Make a tag point at a manifest, and end the grace periods of its images."""
        before = self.tags.get(tag)
        if before == digest:
            return
        self.tags[tag] = digest
        self._changed_tags.add(tag)
        self._note(self._tagged.add_root(digest))
        if before is not None:
            self._note(self._tagged.remove_root(before))

    def untag(self, tag: str) -> None:
        """Remove a tag."""
        if (before := self.tags.pop(tag, None)) is not None:
            self._changed_tags.add(tag)
            self._note(self._tagged.remove_root(before))

    def count_until(self, digest: str, end: float) -> None:
        """Begin or prolong the grace period of a manifest, unless a tag reaches it already."""
        if digest in self._tagged:
            return
        if digest not in self.counts_until:
            self._note(self._kept.add_root(digest))
        self.counts_until[digest] = end
        heappush(self._ends, (end, digest))

    def settle(self, now: float) -> None:
        """End the grace periods that have expired at `now` (seconds since the epoch)."""
        while (end := self.next_end()) is not None and end <= now:
            self._end_grace(self._ends[0][1])

    def next_end(self) -> float | None:
        """The end of the first grace period; None if there is none."""
        while self._ends and self.counts_until.get(self._ends[0][1]) != self._ends[0][0]:
            heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def keep(self, digest: str) -> None:
        """Count an image, whatever happens to its tags, until `release` is called as often."""
        self._note(self._kept.add_root(digest))

    def release(self, digest: str) -> None:
        self._note(self._kept.remove_root(digest))

    def reach(self, digests: Iterable[str]) -> set[str]:
        """The known images that can be reached from these digests, which are included."""
        links = partial(_linked, self.images, self._referrers)
        return reach(digests, links) & self.images.keys()

    def counts(self, digest: str) -> bool:
        """Whether an image counts. A manifest may be missing while a tag points at it."""
        if digest in self.images:
            return digest in self._tagged or digest in self._kept
        return self._tagged.is_root(digest) or self._kept.is_root(digest)

    def counted(self) -> set[str]:
        """Digests of the images that count. The cost is the size of the repository."""
        return set(filter(self.counts, chain(self._tagged, self._kept)))

    def take_changes(self) -> tuple[set[str], set[str]]:
        """The tags that may have changed since the last call, and the digests of the images that
        may have begun or ceased to count."""
        changes = self._changed_tags, self._changed_images
        self._changed_tags, self._changed_images = set(), set()
        return changes

    def freed(self, tag: str, digest: str, links: Links) -> set[str]:
        """Digests that stop counting when this tag is made to point at another manifest."""
        before = self.tags.get(tag)
        if before is None or before == digest:
            return set()
        gone = self._tagged.gone_without(before, [digest, *links.children])
        return {one for one in gone & self.images.keys() if one not in self._kept}

    def _remove_links(self, digest: str) -> None:
        links = self.images.get(digest, NO_LINKS)
        if links == NO_LINKS:
            return
        self.images[digest] = NO_LINKS
        self._relink(Reached.remove_link, [(digest, child) for child in links.children])
        if links.subject:
            referrers = self._referrers[links.subject]
            referrers.discard(digest)
            if not referrers:
                del self._referrers[links.subject]
            self._relink(Reached.remove_link, [(links.subject, digest)])

    def _end_grace(self, digest: str) -> None:
        if self.counts_until.pop(digest, None) is not None:
            self._note(self._kept.remove_root(digest))

    def _relink(
        self, change: Callable[[Reached, str, str], set[str]], links: Sequence[tuple[str, str]]
    ) -> None:
        """Note that links, each from one digest to another, have been added or removed."""
        changed: set[str] = set()
        for reached in (self._tagged, self._kept):
            for source, target in links:
                changed |= change(reached, source, target)
        self._note(changed)

    def _note(self, changed: set[str]) -> None:
        """Note which images may have begun or ceased to count, and end the grace periods of those
        that a tag reaches."""
        self._changed_images |= changed
        for digest in changed & self.counts_until.keys():
            if digest in self._tagged:
                self._end_grace(digest)


def _linked(
    images: Mapping[str, Links], referrers: Mapping[str, set[str]], digest: str
) -> Iterator[str]:
    """The digests that a digest leads to. One comes twice if it is a child and a referrer."""
    return chain(images.get(digest, NO_LINKS).children, referrers.get(digest, ()))


def unreadable_digest(repository: str, tag: str) -> str:
    """A made-up digest for the image of a tag that the registry lists and cannot read."""
    return digest_of(f"unreadable: {repository}:{tag}".encode())


def unreadable(repository: str, contents: Contents) -> Iterator[str]:
    """The tags and digests for which the registry has failed to answer."""
    for tag, digest in contents.tags.items():
        if digest == unreadable_digest(repository, tag):
            yield tag
    for digest, links in contents.images.items():
        if not links.complete:
            yield digest
