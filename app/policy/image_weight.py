"""What an image weighs: an index as much as the largest image that it lists.

A node pulls one image of an index. What an index lists that is no image, such as the layers of a
build cache, counts as one image.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.model.image import ImageClaim


@dataclass(frozen=True)
class Weight:
    size: int | None
    """Bytes, as far as they are known; None if nothing is."""
    heaviest: str = ""
    """The digest that is so large: the image itself, or one that it lists."""
    unknown: str = ""
    """A digest whose size nobody knows: the image itself, or one that it lists; empty if every
    size is known."""


def weigh(digest: str, claims: Mapping[str, ImageClaim]) -> Weight:
    """Weigh an image by what is known of it and of the images that it lists."""
    size, heaviest, unknown = None, "", ""
    seen, waiting = {digest}, [digest]
    while waiting:
        current = waiting.pop()
        claim = claims.get(current)
        if claim is None or (claim.size is None and not claim.children):
            unknown = unknown or current
        if claim is None:
            continue
        if claim.size is not None and (size is None or claim.size > size):
            size, heaviest = claim.size, current
        listed = [one for one in reversed(claim.listed) if one not in seen]
        seen.update(listed)
        waiting += listed
    return Weight(size, heaviest, unknown)


def known_sizes(claims: Mapping[str, ImageClaim], digests: Iterable[str]) -> dict[str, int]:
    """Bytes of each of these images whose weight is wholly known."""
    weights = {digest: weigh(digest, claims) for digest in digests}
    return {
        digest: weight.size
        for digest, weight in weights.items()
        if weight.size is not None and not weight.unknown
    }
