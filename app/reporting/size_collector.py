"""The sizes of many images, with a bounded number of requests at a time."""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError

from app.cluster.api import Content, ForbiddenError, GoneError, KubeApi, NotFoundError
from app.cluster.image_claims import Claims, with_listed
from app.model.domain import ApiDomain
from app.model.image import Image, ImageClaim
from app.policy.image_weight import known_sizes
from app.quota.digests import Packed, pack

_FEW = 500
"""So many images are asked for by name; more are read off the list of all."""
_AT_ONCE = 16
_PAGE = 100
"""Images carry their manifests: a page of them is some megabytes."""


class SizeCollector:
    """A digest never changes what it stands for, so nothing is asked twice."""

    def __init__(self, api: KubeApi, domain: ApiDomain) -> None:
        self._api = api
        self._path = f"/apis/{domain.image_group}/v1/images"
        self._known: dict[Packed, ImageClaim | None] = {}
        self.problem = ""
        """Why sizes cannot be read; empty if they can."""

    async def expect(self, count: int) -> None:
        """So many of the cluster's images will be asked for: many are read off one list.

        Raises ApiError; what RBAC forbids is only noted.
        """
        if count <= _FEW:
            return
        # A list that the API server has forgotten half-way leaves the rest to be asked by name.
        with contextlib.suppress(GoneError), self._noting_what_is_forbidden():
            async for content in self._api.items(self._path, limit=_PAGE):
                self._known[pack(content["metadata"]["name"])] = _claim(content)

    async def of(self, digests: Collection[str]) -> Mapping[str, int]:
        """Bytes of those images that are known. Raises ApiError; see `expect`."""
        claims = await with_listed(await self._claims(digests), self._claims)
        return known_sizes(claims, digests)

    async def _claims(self, digests: Collection[str]) -> Claims:
        unknown = [digest for digest in digests if pack(digest) not in self._known]
        with self._noting_what_is_forbidden():
            for start in range(0, len(unknown) if not self.problem else 0, _AT_ONCE):
                batch = unknown[start : start + _AT_ONCE]
                claims = await asyncio.gather(*map(self._get, batch))
                self._known.update(zip(map(pack, batch), claims, strict=True))
        found = {digest: self._known.get(pack(digest)) for digest in digests}
        return {digest: claim for digest, claim in found.items() if claim is not None}

    @contextmanager
    def _noting_what_is_forbidden(self) -> Iterator[None]:
        try:
            yield
        except ForbiddenError as error:
            self.problem = f"image sizes are not readable: {error}"

    async def _get(self, digest: str) -> ImageClaim | None:
        if "/" in digest:
            return None
        try:
            return _claim(await self._api.get(f"{self._path}/{digest}"))
        except NotFoundError:
            return None


def _claim(content: Content) -> ImageClaim | None:
    try:
        return Image.model_validate(content).claim
    except ValidationError:
        return None
