"""How large the blobs of a manifest are, by the registry's word instead of the pusher's.

Registries store a manifest without comparing the sizes that it names with its blobs. A manifest
that understates them would carry an image of any size past `max.storage`.
"""

import asyncio
import logging
from collections import OrderedDict

from app.gateway.upstream import Answer, RawHeaders, Upstream
from app.model.manifest import Descriptor, Manifest
from app.policy.choices import UnknownSize
from app.registry.errors import RegistryError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.gateway")

_CAPACITY = 100_000
_CONCURRENT = 8
_NOT_FOUND = 404
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class SizeUnknownError(Exception):
    """The registry has a blob, or may have it, and does not say how large it is."""


class BlobSizes:
    """Sizes by digest, which never change; asked of the registry where they are not known."""

    def __init__(self, upstream: Upstream, unknown_size: UnknownSize) -> None:
        """`unknown_size`: what to do with a manifest if the registry does not say."""
        self._upstream = upstream
        self._unknown_size = unknown_size
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._uploaded: OrderedDict[str, int] = OrderedDict()
        self._questions = asyncio.Semaphore(_CONCURRENT)

    def learn(self, digest: str, size: int) -> None:
        """The registry has taken an upload of so many bytes as this blob."""
        _keep(self._uploaded, digest, size)

    async def size(self, repository: str, digest: str, credentials: RawHeaders) -> int | None:
        """Bytes; None if the registry has no such blob.

        Raises SizeUnknownError and UpstreamError.
        """
        known = self._sizes.get(digest)
        if known is not None:
            return known
        async with self._questions:
            answer = await self._head(repository, digest, credentials)
        if answer.status == _NOT_FOUND:
            return None
        length = answer.header("content-length")
        if answer.status == 200 and length.isdecimal():
            _keep(self._sizes, digest, int(length))
            return int(length)
        uploaded = self._uploaded.get(digest)
        if uploaded is None:
            raise SizeUnknownError(f"HEAD of the blob: status {answer.status}")
        return uploaded

    async def _head(self, repository: str, digest: str, credentials: RawHeaders) -> Answer:
        path = f"/v2/{repository}/blobs/{digest}".encode()
        answer = await self._upstream.send("HEAD", path, credentials)
        await answer.close()
        if answer.status in _REDIRECTS:
            stored = await self._upstream.head_of_stored(answer.header("location"))
            if stored is not None:
                await stored.close()
                return stored
        return answer

    async def require_truth(
        self, repository: Repository, manifest: Manifest, credentials: RawHeaders
    ) -> None:
        """Raises RegistryError for a manifest that names a size which a blob has not, or which
        nobody can tell, and UpstreamError."""
        blobs = {blob.digest: blob for blob in manifest.blobs}
        await asyncio.gather(
            *(self._require(str(repository), blob, credentials) for blob in blobs.values())
        )

    async def _require(self, repository: str, blob: Descriptor, credentials: RawHeaders) -> None:
        try:
            size = await self.size(repository, blob.digest, credentials)
        except SizeUnknownError as error:
            self._bear(blob.digest, error)
            return
        if size is not None and size > blob.size:
            raise RegistryError(
                "SIZE_INVALID",
                f"the manifest says that {blob.digest} has {blob.size} bytes, "
                f"but it has {size}; build the manifest again from the blobs",
            )

    def _bear(self, digest: str, error: SizeUnknownError) -> None:
        about = {"digest": digest, "problem": str(error)}
        logger.warning("size of a blob not known", extra=about)
        if self._unknown_size == "deny":
            raise RegistryError(
                "DENIED",
                f"the registry does not say how large {digest} is, so that this image cannot be "
                "held against max.storage; push the blob again, or have the gateway's operator "
                "name the registry's storage (upstream-storage-hosts)",
            )


def _keep(sizes: OrderedDict[str, int], digest: str, size: int) -> None:
    sizes[digest] = size
    sizes.move_to_end(digest)
    if len(sizes) > _CAPACITY:
        sizes.popitem(last=False)
