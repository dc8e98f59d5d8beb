"""Parses manifests of the distribution protocol."""

from app.model import manifest
from app.model.manifest import InvalidManifestError, Manifest
from app.registry.errors import RegistryError
from app.registry.names import Reference


def parse(content: bytes, media_type: str, reference: Reference) -> Manifest:
    """Parse a manifest; `media_type` is its Content-Type.

    Raises RegistryError: MANIFEST_INVALID, SIZE_INVALID, or DIGEST_INVALID if the bytes do not
    match the digest of the reference.
    """
    try:
        return manifest.parse(content, media_type, reference.digest)
    except InvalidManifestError as error:
        raise RegistryError(error.code, str(error)) from None
