"""Reads the sizes of many images with a bounded number of concurrent requests."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError

from app.cluster.api import (
    ApiError,
    Content,
    ForbiddenError,
    GoneError,
    KubeApi,
    NotFoundError,
    concerns_one_object,
)
from app.cluster.image_claims import ClaimsByDigest, with_listed
from app.model.domain import ApiDomain
from app.model.image import Image, ImageClaim
from app.policy.image_weight import known_sizes
from app.quota.digests import Packed, pack
from app.reporting.numbers import counted
from app.reporting.stored_bytes import Blobs, with_children

_FEW = 500
"""Up to this number, images are read by name; above it, the list of all images is read."""
_AT_ONCE = 16
_FRESH = 300.0
"""Seconds for which a size that nothing proves is kept."""
_PAGE = 100
"""Images in one page of a list. Images carry their manifests: a page is some megabytes."""


class SizeCollector:
    """Reads each image once if its digest proves its size, and every few minutes if not."""

    def __init__(
        self, api: KubeApi, domain: ApiDomain, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._clock = clock
        self._read_since = clock()
        self._path = f"/apis/{domain.image_group}/v1/images"
        self._known: dict[Packed, ImageClaim | None] = {}
        self._blobs: dict[Packed, Blobs] = {}
        self.keeps_blobs = False
        """Whether `blobs` will be asked for; those of many images take a lot of memory."""
        self._forbidden = ""
        self._unreadable: dict[str, ApiError] = {}
        """Errors about single images."""

    @property
    def problem(self) -> str:
        """The reason why sizes cannot be read; empty if they can."""
        if self._forbidden or not self._unreadable:
            return self._forbidden
        error = next(iter(self._unreadable.values()))
        return f"{counted(len(self._unreadable), 'image size')} not readable: {error}"

    async def expect(self, count: int) -> None:
        """Announce how many images will be read; for many, read the list of all images now.

        Raises ApiError. A refusal by RBAC is only noted.
        """
        if count <= _FEW:
            return
        with self._noting_what_is_forbidden():
            try:
                async for content in self._api.items(self._path, limit=_PAGE):
                    self._known[pack(content["metadata"]["name"])] = self._claim(content)
            except GoneError:
                return  # The list has expired half-way. The rest is read by name.
            except ApiError as error:
                # One stored Image that cannot be decoded fails the list. It is found by name.
                if not concerns_one_object(error):
                    raise

    async def of(self, digests: Collection[str]) -> Mapping[str, int]:
        """Bytes of each image with a known size, by digest. Raises ApiError. See `expect`."""
        self._forget_claims()
        claims = await with_listed(await self._claims(digests), self._claims)
        return known_sizes(claims, digests)

    async def blobs(self, digests: Collection[str]) -> Mapping[str, Blobs]:
        """Bytes by blob of each image whose blobs are known. Raises ApiError. See `expect`."""
        claims = await with_listed(await self._claims(digests), self._claims)
        own = {digest: self._blobs.get(pack(digest), {}) for digest in claims}
        known = {digest: one for digest, one in own.items() if one or claims[digest].children}
        return with_children(known, {digest: one.children for digest, one in claims.items()})

    async def _claims(self, digests: Collection[str]) -> ClaimsByDigest:
        unknown = [digest for digest in digests if pack(digest) not in self._known]
        with self._noting_what_is_forbidden():
            for start in range(0, len(unknown) if not self._forbidden else 0, _AT_ONCE):
                batch = unknown[start : start + _AT_ONCE]
                claims = await asyncio.gather(*map(self._get, batch))
                self._known.update(zip(map(pack, batch), claims, strict=True))
        found = {digest: self._known.get(pack(digest)) for digest in digests}
        return {digest: claim for digest, claim in found.items() if claim is not None}

    def _forget_claims(self) -> None:
        """An Image that only claims a size may be updated to claim another one."""
        if self._clock() - self._read_since > _FRESH:
            known = self._known.items()
            self._known = {digest: claim for digest, claim in known if claim and claim.proven}
            self._read_since = self._clock()

    @contextmanager
    def _noting_what_is_forbidden(self) -> Iterator[None]:
        try:
            yield
        except ForbiddenError as error:
            self._forbidden = f"image sizes are not readable: {error}"

    async def _get(self, digest: str) -> ImageClaim | None:
        if "/" in digest:
            return None
        try:
            return self._claim(await self._api.get(f"{self._path}/{digest}"))
        except NotFoundError:
            return None
        except ApiError as error:
            if not concerns_one_object(error):
                raise
            self._unreadable[digest] = error
            return None

    def _claim(self, content: Content) -> ImageClaim | None:
        try:
            image = Image.model_validate(content)
        except ValidationError:
            return None
        if self.keeps_blobs:
            self._blobs[pack(image.digest)] = image.blobs
        return image.claim
