"""The weight of an image: the size that is compared with `max.storage`.

An index weighs as much as the largest image that it lists, because a node pulls one of them. The
listed blobs that are no images, such as the layers of a build cache, count together as one image.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.model.image import ImageClaim


@dataclass(frozen=True)
class Weight:
    size: int | None
    """The largest known size in bytes; None if no size is known."""
    heaviest: str = ""
    """The digest of the image with that size: the image itself, or one that it lists."""
    unknown: str = ""
    """The digest of an image of unknown size: the image itself, or one that it lists; "" if all
    sizes are known."""


def weigh(digest: str, claims: Mapping[str, ImageClaim]) -> Weight:
    """Weigh an image by the claims on it and on the images that it lists."""
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
    """Bytes of each of these images for which all sizes are known."""
    weights = {digest: weigh(digest, claims) for digest in digests}
    return {
        digest: weight.size
        for digest, weight in weights.items()
        if weight.size is not None and not weight.unknown
    }
