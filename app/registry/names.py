"""Repository names and references of the OCI distribution spec."""

import re
from dataclasses import dataclass

from app.model.base import DIGEST_PATTERN
from app.policy.names import COMPONENT, TAG
from app.registry.errors import RegistryError

_REPOSITORY = re.compile(rf"({COMPONENT})/({COMPONENT}(?:/{COMPONENT})*)", re.ASCII)
_NAME = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*", re.ASCII)
_TAG = re.compile(TAG, re.ASCII)
_DIGEST = re.compile(DIGEST_PATTERN, re.ASCII)
_MAX_NAME = 255


@dataclass(frozen=True, order=True)
class Repository:
    """`<namespace>/<stream>`; the stream is the path after the first part."""

    namespace: str
    stream: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.stream}"


@dataclass(frozen=True)
class Reference:
    """A tag or a digest; the other one is empty."""

    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.tag or self.digest


def parse_repository(name: str) -> Repository:
    """Raises RegistryError for a name without a namespace or with characters outside the spec."""
    match = _REPOSITORY.fullmatch(name) if len(name) <= _MAX_NAME else None
    if match is None:
        raise RegistryError(
            "NAME_INVALID",
            f"repository name {name[:_MAX_NAME]!r} is not of the form <namespace>/<stream>; "
            "name the namespace that the image belongs to",
        )
    return Repository(match[1], match[2])


def parse_reference(reference: str) -> Reference:
    """Raises RegistryError for text that is neither a tag nor a digest."""
    if _TAG.fullmatch(reference):
        return Reference(tag=reference)
    if ":" not in reference:
        raise RegistryError("MANIFEST_INVALID", f"{reference[:200]!r} is no tag")
    return Reference(digest=parse_digest(reference))


def is_name(text: str) -> bool:
    """Whether a text is a valid repository name, with or without a namespace."""
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def parse_digest(digest: str) -> str:
    if not is_digest(digest):
        raise RegistryError(
            "DIGEST_INVALID",
            f"{digest[:200]!r} is no digest of the form sha256:<64 hex digits> "
            "or sha512:<128 hex digits>",
        )
    return digest
