"""Reads the sizes and layers that stored Images state from the Image API, by digest."""

import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

from pydantic import ValidationError

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.kept_answers import KeptAnswers
from app.model.domain import ApiDomain
from app.model.image import Image, ImageClaim, StoredImage
from app.quota.state import StateUnavailableError

_CAPACITY = 50_000
"""Digests: those of images, and those that indexes list."""
_AT_ONCE = 32
_FRESH = 3.0
"""Seconds for which an answer that may change is kept: an Image that does not exist yet, or an
Image that only declares its size and may declare another after an update."""

ClaimsByDigest = Mapping[str, ImageClaim]


class ImageClaims:
    """Reads Images by digest. A claim that the digest proves is cached, any other for seconds."""

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        capacity: int = _CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._path = f"/apis/{domain.image_group}/v1/images"
        self._answers = KeptAnswers(
            self._ask, _seconds, capacity=capacity, at_once=_AT_ONCE, space=digests_in, clock=clock
        )

    async def of(self, digest: str) -> ImageClaim | None:
        """What the Image says; None if no Image of that digest exists, or none that can be read.

        Raises StateUnavailableError if the Image API does not respond.
        """
        return None if "/" in digest else await self._answers.of(digest)

    async def stored(self, digest: str) -> StoredImage | None:
        """The blobs of an Image; None if no Image of that digest can be read. Nothing is cached.

        Raises ApiError.
        """
        if "/" in digest:
            return None
        try:
            return Image.model_validate(await self._api.get(f"{self._path}/{digest}")).stored
        except (NotFoundError, ValidationError):
            return None

    async def _ask(self, digest: str) -> ImageClaim | None:
        try:
            return Image.model_validate(await self._api.get(f"{self._path}/{digest}")).claim
        except (NotFoundError, ValidationError):
            return None
        except ApiError as error:
            raise StateUnavailableError(f"the size of {digest} is not known: {error}") from None


def _seconds(claim: ImageClaim | None) -> float:
    return math.inf if claim is not None and claim.proven else _FRESH


def digests_in(claim: ImageClaim | None) -> int:
    """The number of digests that a cache keeps with a claim. Tenants choose how many images an
    index lists."""
    return 1 + (len(claim.listed) if claim else 0)


async def with_listed(
    claims: ClaimsByDigest,
    ask: Callable[[Collection[str]], Awaitable[ClaimsByDigest]],
    at_most: float = math.inf,
) -> dict[str, ImageClaim]:
    """The claims, and the claims of all entries that they list, directly or through an index.

    At most `at_most` entries are asked for; further entries stay unknown. An entry that no index
    lists as an image, and that `ask` does not know, counts with size 0: the index counts its bytes.
    """
    found = dict(claims)
    asked: set[str] = set(found)
    waiting = _listed(found.values(), asked)
    while waiting and (at_most := at_most - len(waiting)) >= 0:
        asked.update(waiting)
        found |= await ask(waiting)
        blobs = set(waiting) - found.keys() - images_of(found.values())
        found |= {digest: ImageClaim(digest, 0) for digest in blobs}
        waiting = _listed(found.values(), asked)
    return found


def images_of(claims: Collection[ImageClaim]) -> set[str]:
    """The digests of the entries that are listed as images."""
    return {child for claim in claims for child in claim.children}


def _listed(claims: Collection[ImageClaim], asked: Collection[str]) -> list[str]:
    listed = dict.fromkeys(digest for claim in claims for digest in claim.listed)
    return [digest for digest in listed if digest not in asked]
