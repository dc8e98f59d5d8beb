"""How large the blobs of a manifest are, by the registry's word instead of the pusher's.

Registries store a manifest without comparing the sizes that it names with its blobs. A manifest
that understates them would carry an image of any size past `max.storage`.
"""

import asyncio
from collections import OrderedDict

from app.model.image import Descriptor
from app.registry.errors import RegistryError
from app.registry.manifest import PushedManifest
from app.registry.names import Repository
from app.registry.upstream import RawHeaders, Upstream

_CAPACITY = 100_000
_CONCURRENT = 8


class BlobSizes:
    """Sizes by digest, which never change; asked of the registry where they are not known."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._questions = asyncio.Semaphore(_CONCURRENT)

    async def size(self, repository: str, digest: str, credentials: RawHeaders) -> int | None:
        """Bytes; None if the registry has no such blob, or does not say.

        Raises UpstreamError.
        """
        known = self._sizes.get(digest)
        if known is not None:
            return known
        async with self._questions:
            path = f"/v2/{repository}/blobs/{digest}".encode()
            answer = await self._upstream.send("HEAD", path, credentials)
            await answer.close()
        length = answer.header("content-length")
        if answer.status != 200 or not length.isdecimal():
            return None
        self._sizes[digest] = int(length)
        if len(self._sizes) > _CAPACITY:
            self._sizes.popitem(last=False)
        return int(length)

    async def require_truth(
        self, repository: Repository, manifest: PushedManifest, credentials: RawHeaders
    ) -> None:
        """Raises RegistryError for a manifest that names a size which a blob has not, and
        UpstreamError."""
        blobs = {blob.digest: blob for blob in manifest.blobs}
        await asyncio.gather(
            *(self._require(str(repository), blob, credentials) for blob in blobs.values())
        )

    async def _require(self, repository: str, blob: Descriptor, credentials: RawHeaders) -> None:
        size = await self.size(repository, blob.digest, credentials)
        if size is not None and size > blob.size:
            raise RegistryError(
                "SIZE_INVALID",
                f"the manifest says that {blob.digest} has {blob.size} bytes, "
                f"but it has {size}; build the manifest again from the blobs",
            )
