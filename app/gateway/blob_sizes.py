"""Checks the blob sizes in a manifest against the registry.

Registries do not compare the sizes in a manifest with the blobs. Without this check, a manifest
that understates its sizes could exceed `max.storage`.
"""

import asyncio
import logging
from hashlib import sha256

from cachetools import LRUCache

from app.cluster.workers import each
from app.gateway.slots import Slots
from app.gateway.transport import RawHeaders
from app.gateway.upstream import Answer, Upstream
from app.model.manifest import INDEXES, Descriptor, Manifest
from app.policy.choices import UnknownSize
from app.registry.errors import RegistryError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.gateway")

_CAPACITY = 100_000
_AT_ONCE = 8
_OF_ONE_MANIFEST = 4
"""Questions of all manifests, and of one, that the registry answers at once."""
_WITHIN = 30.0
"""Seconds for the questions of one manifest. Then the client repeats it, and fewer are left."""
_RETRY_AFTER = 5
_NOT_FOUND = 404
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class SizeUnknownError(Exception):
    """The registry may have a blob and does not say how large it is."""


class BlobSizes:
    """Remembers the size of each digest, and asks the registry for unknown ones."""

    def __init__(self, upstream: Upstream, unknown_size: UnknownSize) -> None:
        """`unknown_size`: what to do with a manifest if the registry does not tell a size."""
        self._upstream = upstream
        self._unknown_size = unknown_size
        self._sizes: LRUCache[bytes, int] = LRUCache(_CAPACITY)
        self._turns = Slots(_AT_ONCE, _WITHIN, "questions about blobs are running")

    def learn(self, repository: Repository, digest: str, size: int) -> None:
        """Remember the size of a blob. This process must have computed its digest."""
        self._sizes[_known(str(repository), digest)] = size

    def count(self, repository: Repository, digest: str, size: int) -> None:
        """Remember the size of a blob whose bytes this process has counted. It is believed only if
        the registry does not say how large the blob is."""
        self._sizes[_counted(str(repository), digest)] = size

    async def ask(
        self, repository: str, digest: str, credentials: RawHeaders, *, namespace: str
    ) -> int | None:
        """The registry's answer: bytes; None if the repository has no such blob. `namespace`: that
        of the push. Namespaces take turns.

        Raises SizeUnknownError, UpstreamError, and RegistryError if too many questions wait.
        """
        async with self._turns.one(namespace):
            answer = await self._head(repository, digest, credentials)
        if answer.status == _NOT_FOUND:
            return None
        length = answer.header("content-length")
        if answer.status == 200 and length.isdecimal():
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
        that is not there or whose size the registry does not say, or does not say in time; and
        UpstreamError."""
        required = manifest.media_type not in INDEXES
        unknown: dict[str, Descriptor] = {}
        for blob in manifest.blobs:
            if (size := self._sizes.get(_known(str(repository), blob.digest))) is None:
                same = unknown.get(blob.digest, blob)
                unknown[blob.digest] = min(blob, same, key=lambda one: one.size)
            else:
                _require_declared(blob, size)

        async def verify(blob: Descriptor) -> None:
            await self._verify(repository, blob, credentials, required=required)

        try:
            async with asyncio.timeout(_WITHIN):
                await each(unknown.values(), verify, at_once=_OF_ONE_MANIFEST)
        except TimeoutError:
            message = (
                f"the registry did not tell the sizes of all {len(manifest.blobs)} blobs of the "
                f"manifest in {_WITHIN:g} s; try again: the gateway goes on from there"
            )
            raise RegistryError("UNAVAILABLE", message, retry_after=_RETRY_AFTER) from None

    async def _verify(
        self, repository: Repository, blob: Descriptor, credentials: RawHeaders, *, required: bool
    ) -> None:
        """`required`: refuse a missing blob. An index may list objects that are not blobs."""
        name, digest = str(repository), blob.digest
        try:
            size = await self.ask(name, digest, credentials, namespace=repository.namespace)
            if size is not None:
                self._sizes[_known(name, digest)] = size
        except SizeUnknownError as error:
            size = self._sizes.get(_counted(name, digest))
            if size is None:
                self._tolerate(blob.digest, error)
                return
        if size is None and required:
            raise RegistryError(
                "MANIFEST_BLOB_UNKNOWN",
                f"the manifest names {blob.digest}, which is not in repository {repository}: where "
                "max.storage limits images, push every blob before its manifest, also a layer "
                "that has `urls`",
            )
        if size is not None:
            _require_declared(blob, size)

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


def _known(repository: str, digest: str) -> bytes:
    """The key of a certain size. It is a hash, because clients choose how long names are. It has
    the repository, so that a client learns nothing about blobs of other repositories."""
    return sha256(f"{repository}@{digest}".encode()).digest()


def _counted(repository: str, digest: str) -> bytes:
    """The key of a size that this process has counted."""
    return sha256(f"counted {repository}@{digest}".encode()).digest()


def _require_declared(blob: Descriptor, size: int) -> None:
    """Raises RegistryError if a manifest says that a blob of `size` bytes is smaller."""
    if size > blob.size:
        raise RegistryError(
            "SIZE_INVALID",
            f"the manifest says that {blob.digest} has {blob.size} bytes, "
            f"but it has {size}; build the manifest again from the blobs",
        )
