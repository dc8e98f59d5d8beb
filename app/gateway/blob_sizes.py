"""How large the blobs of a manifest are, by the registry's word instead of the pusher's.

Registries store a manifest without comparing the sizes that it names with its blobs. A manifest
that understates them would carry an image of any size past `max.storage`.
"""

import asyncio
import logging

from app.gateway.recent import Recent
from app.gateway.transport import RawHeaders
from app.gateway.upstream import Answer, Upstream
from app.model.manifest import INDEXES, Descriptor, Manifest
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
        self._sizes: Recent[str, int] = Recent(_CAPACITY)
        self._questions = asyncio.Semaphore(_CONCURRENT)

    def learn(self, digest: str, size: int) -> None:
        """The registry has taken an upload as this blob, every byte of which was counted here."""
        self._sizes.keep(digest, size)

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
            self._sizes.keep(digest, int(length))
            return int(length)
        raise SizeUnknownError(f"HEAD of the blob: status {answer.status}")

    async def _head(self, repository: str, digest: str, credentials: RawHeaders) -> Answer:
        path = f"/v2/{repository}/blobs/{digest}"
        answer = await self._upstream.send("HEAD", path, credentials)
        await answer.close()
        if answer.status in _REDIRECTS:
            stored = await self._upstream.head_of_stored(answer)
            if stored is not None:
                await stored.close()
                return stored
        return answer

    async def verify_declared_sizes(
        self, repository: Repository, manifest: Manifest, credentials: RawHeaders
    ) -> None:
        """Raises RegistryError for a manifest that understates the size of a blob, or names a blob
        that is not there or whose size the registry does not say, and UpstreamError."""
        blobs = {blob.digest: blob for blob in manifest.blobs}
        required = manifest.media_type not in INDEXES
        await asyncio.gather(
            *(
                self._verify(str(repository), blob, credentials, required=required)
                for blob in blobs.values()
            )
        )

    async def _verify(
        self, repository: str, blob: Descriptor, credentials: RawHeaders, *, required: bool
    ) -> None:
        """`required`: the blob has to be there. What an index lists may be no blob at all."""
        try:
            size = await self.size(repository, blob.digest, credentials)
        except SizeUnknownError as error:
            self._tolerate(blob.digest, error)
            return
        if size is None and required:
            raise RegistryError(
                "MANIFEST_BLOB_UNKNOWN",
                f"the manifest names {blob.digest}, which is not in repository {repository}: where "
                "max.storage limits images, push every blob before its manifest, also a layer "
                "that has `urls`",
            )
        if size is not None and size > blob.size:
            raise RegistryError(
                "SIZE_INVALID",
                f"the manifest says that {blob.digest} has {blob.size} bytes, "
                f"but it has {size}; build the manifest again from the blobs",
            )

    def _tolerate(self, digest: str, error: SizeUnknownError) -> None:
        about = {"digest": digest, "problem": str(error)}
        logger.warning("size of a blob not known", extra=about)
        if self._unknown_size == "deny":
            raise RegistryError(
                "DENIED",
                f"the registry does not say how large {digest} is, so that this image cannot be "
                "held against max.storage; push the blob again, or have the gateway's operator "
                "name the registry's storage (upstream-storage-hosts)",
            )
