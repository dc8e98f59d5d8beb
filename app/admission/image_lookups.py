"""What is known of the images of one request, asked of the Image API and of the registry."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any

from app.admission.changes import IncomingImage
from app.cluster.image_claims import Claims, with_listed
from app.model.image import ImageClaim
from app.policy.image_weight import Weight, weigh
from app.quota.state import ClusterState

RegistryImage = Callable[[str, str], Awaitable[ImageClaim | None]]
"""Asks the internal registry for (repository, digest). None if it does not have the image.
Raises SizeUnknownError."""

_AT_ONCE = 8
"""Questions of one request at a time, so that a request with many does not delay others."""
_MAX_LISTED = 2000
"""Images that those of one request list; what is beyond is not asked for, and is unknown."""


class SizeUnknownError(Exception):
    """The registry may have an image, and does not say how large it is."""


def is_settled(image: IncomingImage) -> bool:
    """Whether the request itself proves how large an image is, so that nobody has to be asked."""
    return _is_proven(image.claim) and not (image.claim and image.claim.children)


class ImageLookups:
    """The questions of one decision: a few at a time, and all of them before one deadline."""

    def __init__(
        self, state: ClusterState, registry_image: RegistryImage | None, until: float
    ) -> None:
        """`until` is in the event loop's time; what is not known by then stays unknown."""
        self._state = state
        self._registry_image = registry_image
        self._until = until
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def weights(self, images: Sequence[IncomingImage]) -> list[Weight]:
        """What each image weighs. Raises StateUnavailableError if the Image API gives no answer."""
        by_repository: dict[str, list[IncomingImage]] = {}
        for image in images:
            if not (is_settled(image) or image.hidden):
                by_repository.setdefault(_repository(image), []).append(image)
        found: dict[str, dict[str, ImageClaim]] = {repository: {} for repository in by_repository}
        if found:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._until):
                    await _side_by_side(
                        [
                            self._find(repository, together, found[repository])
                            for repository, together in by_repository.items()
                        ]
                    )
        return [
            _by_own_word(image)
            if is_settled(image) or image.hidden
            else weigh(image.digest or "", found[_repository(image)])
            for image in images
        ]

    async def _find(
        self, repository: str, images: Iterable[IncomingImage], found: dict[str, ImageClaim]
    ) -> None:
        """Add what is known of images that are kept in one repository, and of what they list."""
        said = {image.digest: image.claim for image in images if image.digest}

        async def find(digest: str) -> None:
            claim = await self._known(repository, digest, said.get(digest))
            if claim is not None:
                found[digest] = claim

        async def find_all(digests: Collection[str]) -> Claims:
            await _side_by_side([find(digest) for digest in digests])
            return found

        await find_all(said)
        await with_listed(found, find_all, _MAX_LISTED)

    async def _known(
        self, repository: str, digest: str, said: ImageClaim | None
    ) -> ImageClaim | None:
        """None if nobody knows the image, or if the registry should and gives no answer: then
        nobody else is believed."""
        if _is_proven(said):
            return said
        async with self._turns:
            claims = [said, await self._state.image(digest)]
            if self._registry_image is not None and repository and not any(map(_is_proven, claims)):
                try:
                    claims.append(await self._registry_image(repository, digest))
                except SizeUnknownError:
                    return None
        found = [claim for claim in claims if claim is not None]
        return ImageClaim.merged(digest, found) if found else None


async def _side_by_side(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of it; the first failure ends the rest."""
    if len(work) == 1:  # as in most pushes, which need no task
        await work[0]
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def _by_own_word(image: IncomingImage) -> Weight:
    """What an image weighs by the request alone."""
    if image.claim is None:
        return Weight(None)
    return weigh(image.claim.digest, {image.claim.digest: image.claim})


def _repository(image: IncomingImage) -> str:
    """Where the internal registry may be asked for an image; empty for one that it has not."""
    return "" if image.may_be_unknown else image.repository


def _is_proven(claim: ImageClaim | None) -> bool:
    return claim is not None and claim.proven
