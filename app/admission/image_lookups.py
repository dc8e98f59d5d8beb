"""What is known of the images of one request, asked of the Image API and of the registry."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial

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


def by_own_word(image: IncomingImage) -> Weight:
    """What an image weighs by the request alone."""
    if image.claim is None:
        return Weight(None)
    return weigh(image.claim.digest, {image.claim.digest: image.claim})


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

    async def weights(self, images: Sequence[IncomingImage]) -> dict[IncomingImage, Weight]:
        """What each image weighs. Raises StateUnavailableError if the Image API does not answer."""
        asked = [image for image in images if not is_settled(image)]
        repositories = dict.fromkeys(map(_repository, asked))
        found = await asyncio.gather(
            *(
                self._claims(repository, [i for i in asked if _repository(i) == repository])
                for repository in repositories
            )
        )
        claims = dict(zip(repositories, found, strict=True))
        return {
            image: by_own_word(image)
            if is_settled(image)
            else weigh(image.digest or "", claims[_repository(image)])
            for image in images
        }

    async def _claims(self, repository: str, images: Iterable[IncomingImage]) -> Claims:
        said = {image.digest: image.claim for image in images if image.digest}
        ask = partial(self._ask, repository)
        return await with_listed(await ask(said, said), ask, _MAX_LISTED)

    async def _ask(
        self,
        repository: str,
        digests: Collection[str],
        said: dict[str, ImageClaim | None] | None = None,
    ) -> Claims:
        """What is known of each digest, by the request's own word and by all who are asked."""
        tasks = {
            digest: asyncio.create_task(
                self._known(repository, digest, said.get(digest) if said else None)
            )
            for digest in digests
        }
        if not tasks:
            return {}
        try:
            await asyncio.wait(tasks.values(), timeout=self._seconds_left())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        answers = {digest: task.result() for digest, task in tasks.items() if not task.cancelled()}
        return {digest: claim for digest, claim in answers.items() if claim is not None}

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

    def _seconds_left(self) -> float:
        return max(self._until - asyncio.get_running_loop().time(), 0.0)


def _repository(image: IncomingImage) -> str:
    """Where the internal registry may be asked for an image; empty for one that it has not."""
    return "" if image.may_be_unknown else image.repository


def _is_proven(claim: ImageClaim | None) -> bool:
    return claim is not None and claim.proven
