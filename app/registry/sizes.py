"""Reads images from the internal registry by digest, for requests that only name them."""

import logging
import math
import time
from collections.abc import Callable

from app.admission.image_lookups import ImageSizeUnknownError
from app.cluster.image_claims import digests_in
from app.cluster.kept_answers import KeptAnswers
from app.model.image import ImageClaim
from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.errors import RegistryError
from app.registry.names import parse_digest, parse_repository

logger = logging.getLogger("registry_admission.registry")

_CAPACITY = 50_000
"""The number of cached digests: of images, and of entries of indexes."""
_AT_ONCE = 32
_MISSING = 3.0
"""Seconds until a missing image is asked for again."""


class RegistryImages:
    """Reads images from one registry, and caches them by repository and digest."""

    def __init__(
        self,
        client: RegistryClient,
        capacity: int = _CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._answers = KeptAnswers(
            self._ask, _seconds, capacity=capacity, at_once=_AT_ONCE, space=digests_in, clock=clock
        )

    async def of(self, repository: str, digest: str) -> ImageClaim | None:
        """None if the registry has no such image.

        Raises ImageSizeUnknownError if the registry does not answer or the manifest cannot be read.
        """
        if not _is_spelled(repository, digest):
            return None
        return await self._answers.of((repository, digest))

    async def _ask(self, image: tuple[str, str]) -> ImageClaim | None:
        repository, digest = image
        try:
            stored = await self._client.manifest(repository, digest)
        except RegistryUnavailableError as error:
            logger.warning("size not known", extra={"digest": digest, "problem": str(error)})
            raise ImageSizeUnknownError(str(error)) from None
        return ImageClaim.of_manifest(stored) if stored else None


def _seconds(claim: ImageClaim | None) -> float:
    return _MISSING if claim is None else math.inf


def _is_spelled(repository: str, digest: str) -> bool:
    """Tenants choose the names: only names of the OCI spec become part of a URL."""
    try:
        parse_repository(repository)
        parse_digest(digest)
    except RegistryError:
        return False
    return True
