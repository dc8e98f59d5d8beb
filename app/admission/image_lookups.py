"""Looks up the images of one request in the Image API and in the registry."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any

from app.admission.changes import IncomingImage
from app.cluster.image_claims import ClaimsByDigest, images_of, with_listed
from app.model.image import ImageClaim
from app.policy.image_weight import Weight, weigh
from app.quota.state import ClusterState

RegistryImage = Callable[[str, str], Awaitable[ImageClaim | None]]
"""Looks up (repository, digest) in the internal registry. None if it lacks the image.
Raises ImageSizeUnknownError."""

_AT_ONCE = 8
"""Concurrent look-ups of one request: a wide request must not delay others."""
_MAX_LISTED = 2000
"""Images that the indexes of one request may list. Further ones are unknown."""


class ImageSizeUnknownError(Exception):
    """The registry may have the image, but does not tell its size."""


def is_settled(image: IncomingImage) -> bool:
    """Whether the request itself proves the size of the image."""
    return _is_proven(image.claim) and not (image.claim and image.claim.listed)


class ImageLookups:
    """The look-ups of one decision: a few at a time, all before one deadline."""

    def __init__(
        self,
        state: ClusterState,
        registry_image: RegistryImage | None,
        repository_of: Callable[[str], str],
        until: float,
    ) -> None:
        """`repository_of`: the repository of the internal registry that a pull spec names, or "".
        `until`: the deadline in the event loop's time. A size that is not known by then counts as
        unknown, and `late` becomes True."""
        self.late = False
        self._state = state
        self._registry_image = registry_image
        self._repository_of = repository_of
        self._until = until
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def weights(self, images: Sequence[IncomingImage]) -> list[Weight]:
        """The weight of each image. Raises StateUnavailableError without the Image API."""
        by_repository: dict[str, list[IncomingImage]] = {}
        for image in images:
            if not (is_settled(image) or image.hidden):
                by_repository.setdefault(_repository(image), []).append(image)
        found: dict[str, dict[str, ImageClaim]] = {repository: {} for repository in by_repository}
        if found:
            try:
                async with asyncio.timeout_at(self._until):
                    await _side_by_side(
                        [
                            self._find(repository, together, found[repository])
                            for repository, together in by_repository.items()
                        ]
                    )
            except TimeoutError:
                self.late = True
        return [
            _weight_by_request(image)
            if is_settled(image) or image.hidden
            else weigh(image.digest or "", found[_repository(image)])
            for image in images
        ]

    async def _find(
        self, repository: str, images: Iterable[IncomingImage], found: dict[str, ImageClaim]
    ) -> None:
        """Look up the images of one repository, and the images that they list."""
        stated = {image.digest: image.claim for image in images if image.digest}

        async def find(digest: str) -> None:
            claim = await self._known(repository, digest, stated.get(digest))
            if claim is not None:
                found[digest] = claim

        async def find_stored(digest: str) -> None:
            async with self._turns:
                stored = await self._state.image(digest)
            if stored is not None:
                await find(digest)

        async def find_listed(digests: Collection[str]) -> ClaimsByDigest:
            images = stated.keys() | images_of(found.values())
            await _side_by_side(
                [find(one) if one in images else find_stored(one) for one in digests]
            )
            return found

        await _side_by_side([find(digest) for digest in stated])
        if any(claim.listed for claim in found.values()):
            found |= await with_listed(found, find_listed, _MAX_LISTED)

    async def _known(
        self, repository: str, digest: str, stated: ImageClaim | None
    ) -> ImageClaim | None:
        """The claim on an image by all sources; None if no source knows it.

        `stated`: the claim of the request. If the registry should have the image and does not
        answer, no other source counts: the claim has no size.
        """
        if _is_proven(stated):
            return stated
        async with self._turns:
            claims = [stated, await self._state.image(digest)]
            found = [claim for claim in claims if claim is not None]
            if self._registry_image is not None and repository and not any(map(_is_proven, found)):
                try:
                    found += await self._stored(self._registry_image, repository, digest, found)
                except ImageSizeUnknownError:
                    return ImageClaim(digest)
        return ImageClaim.merged(digest, found) if found else None

    async def _stored(
        self, ask: RegistryImage, repository: str, digest: str, claims: Iterable[ImageClaim]
    ) -> list[ImageClaim]:
        """The registry's claim on an image, in this repository or in those that `claims` refer to;
        empty if the registry lacks the image.

        Raises ImageSizeUnknownError.
        """
        elsewhere = (self._repository_of(claim.reference) for claim in claims)
        for place in dict.fromkeys([repository, *filter(None, elsewhere)]):
            stored = await ask(place, digest)
            if stored is not None:
                return [stored]
        return []


async def _side_by_side(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first failure cancels the others."""
    if len(work) == 1:  # Most pushes have one image and need no task.
        await work[0]
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def _weight_by_request(image: IncomingImage) -> Weight:
    """The weight of an image by the request alone."""
    if image.claim is None:
        return Weight(None)
    return weigh(image.claim.digest, {image.claim.digest: image.claim})


def _repository(image: IncomingImage) -> str:
    """The repository to ask the internal registry for; empty if it cannot have the image."""
    return "" if image.may_be_unknown else image.repository


def _is_proven(claim: ImageClaim | None) -> bool:
    return claim is not None and claim.proven
