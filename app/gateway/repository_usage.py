"""The usage of one repository."""

from collections.abc import Set
from sys import intern

from app.gateway.contents import Contents
from app.quota.digests import Packed, pack
from app.quota.usage import StreamUsage


class RepositoryUsage(StreamUsage):
    """The usage of a repository. Unlike a stream, it may have images without a tag."""

    __slots__ = ("_all_images", "untagged")

    def __init__(self, contents: Contents) -> None:
        self._all_images = set(map(pack, contents.counted()))
        super().__init__({tag: (digest,) for tag, digest in contents.tags.items()})
        self.untagged = len(contents.images) - self.image_count

    @property
    def packed_images(self) -> frozenset[Packed]:
        return super().packed_images | self._all_images

    def grow(self, tag: str, digest: str, images: Set[str], stored: int) -> set[Packed]:
        """Make a tag point at an image, and count these `images`. No image stops counting.

        `tag`: "" for a push by digest. `stored`: the number of images in the repository. Returns
        the images that did not count before. The cost does not depend on the repository's size.
        """
        new = set(map(pack, images)) - self._all_images
        self._all_images |= new
        self._sorted = []
        if tag:
            self._tags[intern(tag)] = pack(digest)
        self.image_count += len(new)
        self.untagged = stored - self.image_count
        return new
