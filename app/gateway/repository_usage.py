"""The usage of one repository."""

from sys import intern
from typing import Self

from app.gateway.contents import Contents
from app.quota.digests import Packed, pack
from app.quota.usage import NamespaceUsage, StreamUsage


class RepositoryUsage(StreamUsage):
    """The usage of a repository. Unlike a stream, it may have images without a tag."""

    __slots__ = ("_images", "untagged")

    def __init__(self, contents: Contents) -> None:
        """Count everything. This takes the changes of the contents."""
        contents.take_changes()
        self._images = set(map(pack, contents.counted()))
        super().__init__({tag: (digest,) for tag, digest in contents.tags.items()})
        self.untagged = len(contents.images) - self.image_count

    @property
    def packed_images(self) -> frozenset[Packed]:
        return frozenset(self._images)

    def copy(self) -> Self:
        copied = super().copy()
        copied._images = set(self._images)
        return copied

    def follow(self, contents: Contents, namespace: NamespaceUsage, name: str) -> None:
        """Count the changes of the contents, here and in the namespace, where this is stream
        `name`. The cost is the number of changes."""
        tags, digests = contents.take_changes()
        counted = {pack(digest) for digest in digests if contents.counts(digest)}
        gained = counted - self._images
        lost = (set(map(pack, digests)) - counted) & self._images
        more = sum((tag in contents.tags) - (tag in self._tags) for tag in tags)
        namespace.change(name, more, gained, lost)
        for tag in tags:
            self._tags.pop(tag, None)
            if tag in contents.tags:
                self._tags[intern(tag)] = pack(contents.tags[tag])
        self._images |= gained
        self._images -= lost
        self._sorted = []
        self.image_count = len(self._images)
        self.untagged = len(contents.images) - self.image_count
