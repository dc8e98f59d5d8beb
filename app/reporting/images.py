"""The largest images of a namespace and their tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

from app.quota.usage import NamespaceUsage


@dataclass(frozen=True)
class LargeImage:
    digest: str
    size: int
    """Bytes."""
    tags: tuple[str, ...]
    """`stream:tag` of each tag that points at it, or has it in its history."""


def tags_of(usage: NamespaceUsage) -> dict[str, list[str]]:
    """The tags of each image of a namespace, by digest."""
    found: dict[str, list[str]] = {}
    for name, stream in usage.streams.items():
        for tag in stream.tags:
            for digest in stream.history(tag):
                found.setdefault(digest, []).append(f"{name}:{tag}")
    return found


def largest_images(
    tags: Mapping[str, Sequence[str]], sizes: Mapping[str, int], top: int
) -> tuple[LargeImage, ...]:
    """The `top` largest of the images whose size is known, largest first."""
    known = tags.keys() & sizes.keys()
    largest = nsmallest(top, known, key=lambda digest: (-sizes[digest], digest))
    return tuple(
        LargeImage(digest, sizes[digest], tuple(sorted(tags[digest]))) for digest in largest
    )
