"""The bytes that images take in storage: layers that several images share are stored once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

Blobs = Mapping[str, int]
"""Bytes of each layer and config of one image, by digest."""


@dataclass(frozen=True)
class StoredBytes:
    known: int
    """Bytes of the distinct blobs of the images whose blobs are known."""
    unknown: int
    """Images whose blobs are not known."""


@dataclass(frozen=True)
class NamespaceBytes:
    total: StoredBytes
    """The bytes of all images of the namespace."""
    streams: Mapping[str, StoredBytes]
    """The bytes of each ImageStream's images. Streams may share layers, so the sum may exceed the
    total."""


def namespace_bytes(
    streams: Mapping[str, Collection[str]], blobs: Mapping[str, Blobs]
) -> NamespaceBytes:
    """`streams`: the digests of each stream's images. `blobs`: see `with_children`."""
    every = frozenset[str]().union(*streams.values())
    return NamespaceBytes(
        stored_bytes(every, blobs),
        {name: stored_bytes(digests, blobs) for name, digests in streams.items()},
    )


def stored_bytes(digests: Iterable[str], blobs: Mapping[str, Blobs]) -> StoredBytes:
    """Add up the distinct blobs of these images."""
    distinct: dict[str, int] = {}
    unknown = 0
    for digest in digests:
        if digest in blobs:
            distinct.update(blobs[digest])
        else:
            unknown += 1
    return StoredBytes(sum(distinct.values()), unknown)


def with_children(
    own: Mapping[str, Blobs], children: Mapping[str, tuple[str, ...]]
) -> Mapping[str, Blobs]:
    """The blobs of each image together with those of the images that it lists.

    An index is left out if the blobs of a listed image are not known.
    """
    found: dict[str, Blobs] = {}
    for digest, blobs in own.items():
        listed = _listed(digest, children)
        if all(child in own for child in listed):
            merged = dict(blobs)
            for child in listed:
                merged |= own[child]
            found[digest] = merged
    return {digest: blobs for digest, blobs in found.items() if blobs}


def _listed(digest: str, children: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(children.get(digest, ()))
    while waiting:
        child = waiting.pop()
        if child not in found:
            found.add(child)
            waiting += children.get(child, ())
    return found
