"""The inventory of a folder of manifests."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from pathlib import Path

from app.cluster import manifests
from app.cluster.embedded import EmbeddedState
from app.cluster.file_changes import file_changes
from app.cluster.image_claims import ClaimsByDigest, with_listed
from app.model.domain import ApiDomain
from app.policy.image_weight import known_sizes
from app.quota.in_flight import InFlight
from app.reporting.stored_bytes import Blobs, with_children


class FolderInventory(EmbeddedState):
    """The usage in a folder. Reservations are unknown: they are in the process that serves it."""

    def __init__(self, folder: Path, domain: ApiDomain, note: str = "") -> None:
        """`note`: a remark about the folder for the user. Raises ManifestError."""
        super().__init__(folder, domain)
        manifests.files_of(folder)  # raises for an empty folder
        self._watched = folder
        self._note = note

    async def in_flight(self, namespace: str) -> InFlight | None:
        return None

    async def expect_sizes(self, count: int, *, blobs: bool = False) -> None:
        """Do nothing: all sizes are in the folder."""

    async def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        return known_sizes(await with_listed(await self._images(digests), self._images), digests)

    async def blobs(self, digests: Collection[str]) -> Mapping[str, Blobs]:
        claims = await with_listed(await self._images(digests), self._images)
        own = {digest: self.image_blobs(digest) for digest in claims}
        known = {digest: one for digest, one in own.items() if one or claims[digest].children}
        return with_children(known, {digest: one.children for digest, one in claims.items()})

    async def _images(self, digests: Collection[str]) -> ClaimsByDigest:
        found = {digest: await self.image(digest) for digest in digests}
        return {digest: claim for digest, claim in found.items() if claim is not None}

    def notes(self) -> list[str]:
        return [note for note in (self._note, self.broken, *self.warnings) if note]

    async def changes(self) -> AsyncGenerator[None, None]:
        async for _ in file_changes(self._watched):
            if await asyncio.to_thread(self.reload):
                yield
