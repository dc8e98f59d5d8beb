"""Members of the three sets that a namespace's usage consists of.

Members of `images` and `tags` name their stream. So the same sets give the counts of one stream
and the counts of the whole namespace.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

StreamImage = tuple[str, str]
"""(stream, digest)"""
StreamTag = tuple[str, str]
"""(stream, tag)"""
Member = tuple[str, ...]
"""("stream", name), ("image", stream, digest) or ("tag", stream, tag)"""


@dataclass(frozen=True)
class Members:
    streams: frozenset[str] = frozenset()
    images: frozenset[StreamImage] = frozenset()
    tags: frozenset[StreamTag] = frozenset()

    @classmethod
    def of(cls, members: Iterable[Member]) -> "Members":
        members = set(members)
        return cls(
            frozenset(member[1] for member in members if member[0] == "stream"),
            frozenset((member[1], member[2]) for member in members if member[0] == "image"),
            frozenset((member[1], member[2]) for member in members if member[0] == "tag"),
        )

    def __bool__(self) -> bool:
        return bool(self.streams or self.images or self.tags)

    def __iter__(self) -> Iterator[Member]:
        for name in self.streams:
            yield ("stream", name)
        for pair in self.images:
            yield ("image", *pair)
        for pair in self.tags:
            yield ("tag", *pair)

    def __or__(self, other: "Members") -> "Members":
        if not other:
            return self
        if not self:
            return other
        return Members(
            self.streams | other.streams, self.images | other.images, self.tags | other.tags
        )

    def __sub__(self, other: "Members") -> "Members":
        if not (self and other):
            return self
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
    def text_length(self) -> int:
        """The number of characters in all names."""
        return sum(map(len, chain(self.streams, *self.images, *self.tags)))

    @property
    def touched_streams(self) -> set[str]:
        """Every stream that a member belongs to."""
        return {name for name, _ in chain(self.images, self.tags)} | self.streams


NONE = Members()


@dataclass(frozen=True)
class Claims:
    """The members that one request would add to a namespace and remove from it.

    An image whose digest is not known yet is claimed under a made-up name.
    """

    namespace: str
    adds: Members = NONE
    removes: Members = NONE
    """They make room for this request alone. Once it is admitted, no other request may rely on
    them."""


def holder_of(claims: Claims) -> str:
    """The holder for a request without one: a digest of its claims, 32 hexadecimal digits.

    A retry of a push makes the same claims, so it has the same holder. It renews the reservation
    of the first attempt.
    """
    parts = [
        [sorted(members.streams), sorted(members.images), sorted(members.tags)]
        for members in (claims.adds, claims.removes)
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
