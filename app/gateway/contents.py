"""The contents of one repository, and which of its images count.

An image counts while a tag reaches it: directly, as a child of an index, or as a referrer of an
image that counts. An image that was pushed by digest also counts for a grace period, because the
tag or index that it belongs to may still come. Every other image is untagged and does not count.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.model.manifest import digest_of


@dataclass(frozen=True)
class Links:
    """The other manifests that a manifest names."""

    children: frozenset[str] = frozenset()
    """Digests that an index lists, under whatever media type."""
    subject: str = ""
    """Digest of the manifest to which this one refers (`subject`)."""


NO_LINKS = Links()


@dataclass(slots=True)
class Contents:
    """The tags of one repository, and every known manifest in it."""

    tags: dict[str, str] = field(default_factory=dict)
    images: dict[str, Links] = field(default_factory=dict)
    counts_until: dict[str, float] = field(default_factory=dict)
    """The end of the grace period of images that no tag has reached yet, in seconds since the
    epoch."""
    _referrers: dict[str, set[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tags or self.images)

    def put(self, digest: str, links: Links) -> None:
        """Add a manifest."""
        self.images[digest] = links
        if links.subject:
            self._referrers.setdefault(links.subject, set()).add(digest)

    def drop(self, digest: str) -> None:
        """Remove a manifest."""
        links = self.images.pop(digest, NO_LINKS)
        self.counts_until.pop(digest, None)
        if links.subject:
            referrers = self._referrers[links.subject]
            referrers.discard(digest)
            if not referrers:
                del self._referrers[links.subject]

    def point(self, tag: str, digest: str) -> bool:
        """Make a tag point at a known manifest, and end the grace periods of its images.

        Returns whether images may stop counting because of it.
        """
        before = self.tags.get(tag)
        self.tags[tag] = digest
        for reached in self.reach([digest]) & self.counts_until.keys():
            del self.counts_until[reached]
        return before is not None and before not in self.tags.values()

    def reach(self, digests: Iterable[str]) -> set[str]:
        """The known images that can be reached from these digests, which are included."""
        found = set(digests)
        waiting = list(found)
        while waiting:
            digest = waiting.pop()
            for linked in (
                self.images.get(digest, NO_LINKS).children,
                self._referrers.get(digest, NO_LINKS.children),
            ):
                if linked:
                    new = linked - found
                    found |= new
                    waiting += new
        return found & self.images.keys()

    def settle(self, now: float) -> None:
        """End the grace periods that have expired at `now` (seconds since the epoch), and those of
        images that a tag has reached: without that tag they are untagged at once."""
        ended = {digest for digest, until in self.counts_until.items() if until <= now}
        if self.counts_until:
            ended |= self.reach(self.tags.values()) & self.counts_until.keys()
        for digest in ended:
            del self.counts_until[digest]

    def counted(self) -> set[str]:
        """Digests of the images that count, as of the last `settle`."""
        return self.reach([*self.tags.values(), *self.counts_until])

    def freed(self, tag: str, digest: str, links: Links) -> set[str]:
        """Digests that stop counting when this tag is made to point at another manifest."""
        before = self.tags.get(tag)
        if before is None or before == digest:
            return set()
        others = [target for name, target in self.tags.items() if name != tag]
        kept = self.reach([*others, *self.counts_until, digest, *links.children])
        return self.reach([before]) - kept


def unreadable_digest(repository: str, tag: str) -> str:
    """A made-up digest for the image of a tag that the registry lists and cannot read."""
    return digest_of(f"unreadable: {repository}:{tag}".encode())
