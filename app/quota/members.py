"""Members of the three sets that a namespace's usage consists of.

`images` and `tags` carry their stream: the limits of one stream and those of the whole
namespace are then read from the same sets.
"""

from dataclasses import dataclass

StreamImage = tuple[str, str]
"""(stream, digest)"""
StreamTag = tuple[str, str]
"""(stream, tag)"""


@dataclass(frozen=True)
class Members:
    streams: frozenset[str] = frozenset()
    images: frozenset[StreamImage] = frozenset()
    tags: frozenset[StreamTag] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.streams or self.images or self.tags)

    def __or__(self, other: "Members") -> "Members":
        return Members(
            self.streams | other.streams, self.images | other.images, self.tags | other.tags
        )

    def __sub__(self, other: "Members") -> "Members":
        return Members(
            self.streams - other.streams, self.images - other.images, self.tags - other.tags
        )

    def of_stream(self, name: str) -> "Members":
        """The members that belong to one stream."""
        return Members(
            self.streams & {name},
            frozenset(pair for pair in self.images if pair[0] == name),
            frozenset(pair for pair in self.tags if pair[0] == name),
        )

    @property
    def touched_streams(self) -> set[str]:
        """Every stream that a member belongs to."""
        return {*self.streams, *(s for s, _ in self.images), *(s for s, _ in self.tags)}


NONE = Members()


@dataclass(frozen=True)
class Claims:
    """What one request would do to a namespace's sets.

    `removes` holds members that the same request takes away from a stream: they make room for
    this request alone, because nobody else can rely on them before they are gone.
    """

    namespace: str
    adds: Members = NONE
    removes: Members = NONE
    unknown_images: frozenset[str] = frozenset()
    """Streams that get an image whose digest nobody knows beforehand (the import of a tag from
    elsewhere): they need room for it, and it counts as soon as it is seen."""
    open_ended: frozenset[str] = frozenset()
    """Streams that the request fills with more than can be named beforehand (the import of a
    whole repository): they need headroom, and what is added counts as soon as it is seen."""
