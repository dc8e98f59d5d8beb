"""Manifests as they come over the registry's protocol."""

from app.model import manifest
from app.model.manifest import InvalidManifestError, Manifest
from app.registry.errors import RegistryError
from app.registry.names import Reference


def parse(content: bytes, media_type: str, reference: Reference) -> Manifest:
    """Read a manifest; `media_type` is the Content-Type that it came with.

    Raises RegistryError: MANIFEST_INVALID, SIZE_INVALID, or DIGEST_INVALID for bytes that are
    not those of the digest that they are pushed as.
    """
    try:
        return manifest.parse(content, media_type, reference.digest)
    except InvalidManifestError as error:
        raise RegistryError(error.code, str(error)) from None
