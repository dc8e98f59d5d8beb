"""Asks a registry whether it has the data of images. Only manifests are downloaded."""

import asyncio
from collections.abc import Sequence

from app.doctor.blobs import Examined
from app.doctor.inventory import Sample
from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.errors import RegistryError
from app.registry.names import parse_digest, parse_repository

_AT_ONCE = 4
_MAX_CHILDREN = 10
"""The number of manifests of one index to check."""


async def examine(client: RegistryClient, samples: Sequence[Sample]) -> list[Examined]:
    """Ask for the manifest of each image and for every blob that it names."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(sample: Sample) -> Examined:
        async with slots:
            try:
                # Tenants choose these names: only names of the OCI spec become part of a URL.
                parse_repository(sample.repository)
                missing = await _missing(client, sample.repository, parse_digest(sample.digest))
            except (RegistryUnavailableError, RegistryError) as error:
                return Examined(sample, unknown=str(error))
            return Examined(sample, missing)

    return await asyncio.gather(*map(one, samples))


async def _missing(
    client: RegistryClient, repository: str, digest: str, *, follow: bool = True
) -> tuple[str, ...]:
    manifest = await client.manifest(repository, digest)
    if manifest is None:
        return (f"manifest {digest}",)
    blobs = dict.fromkeys(blob.digest for blob in manifest.blobs)
    missing = [f"blob {blob}" for blob in blobs if not await client.has_blob(repository, blob)]
    for child in manifest.children[:_MAX_CHILDREN] if follow else ():
        missing += await _missing(client, repository, child, follow=False)
    return tuple(missing)
