"""The usage of one repository."""

from app.gateway.contents import Contents
from app.quota.digests import Packed, pack
from app.quota.usage import StreamUsage


class RepositoryUsage(StreamUsage):
    """The usage of a repository. Unlike a stream, it may have images without a tag."""

    __slots__ = ("_all_images", "untagged")

    def __init__(self, contents: Contents) -> None:
        self._all_images = frozenset(map(pack, contents.counted()))
        super().__init__({tag: (digest,) for tag, digest in contents.tags.items()})
        self.untagged = len(contents.images) - self.image_count

    @property
    def packed_images(self) -> frozenset[Packed]:
        return self._all_images | super().packed_images
