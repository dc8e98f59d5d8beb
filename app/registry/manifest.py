"""Manifests as they are pushed: every current media type, within bounds, told apart for sure.

A registry written in Go reads field names in any case and takes the last of two equal ones, and
one document can look like an image and an index at once (CVE-2021-41190). Whoever reads such a
manifest otherwise than the registry does can be told a wrong size, so none of them is accepted.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.model.base import problems
from app.model.image import Descriptor, ManifestContent, digest_of
from app.registry.errors import RegistryError
from app.registry.names import Reference, parse_digest

MAX_BYTES = 4 * 2**20
"""The size that the distribution spec asks every registry to take; most take no more."""
MAX_ENTRIES = 4096
MAX_DEPTH = 32

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
INDEXES = frozenset({DOCKER_LIST, OCI_INDEX})
MEDIA_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, OCI_ARTIFACT)

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_LISTS = {
    DOCKER_MANIFEST: {"config", "layers"},
    OCI_MANIFEST: {"config", "layers"},
    OCI_ARTIFACT: {"blobs"},
    DOCKER_LIST: {"manifests"},
    OCI_INDEX: {"manifests"},
}
"""The fields that make a document what its media type says it is."""
_FIELDS = {
    "schemaVersion", "mediaType", "config", "layers", "blobs", "manifests", "subject",
    "artifactType", "digest", "size",
}  # fmt: skip
_BY_FOLDED_NAME = {name.casefold(): name for name in _FIELDS}


@dataclass(frozen=True)
class PushedManifest:
    """A manifest that says one thing only."""

    content: bytes
    media_type: str
    digest: str
    size: int
    """Bytes of the distinct layers and the config; 0 for an index."""
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[str, ...] = ()
    """Digests of the manifests that an index lists."""
    subject: str = ""
    """Digest of the manifest that this one refers to."""


def parse(content: bytes, media_type: str, reference: Reference) -> PushedManifest:
    """Read a manifest; `media_type` is the Content-Type that it came with.

    Raises RegistryError: MANIFEST_INVALID, SIZE_INVALID, or DIGEST_INVALID for bytes that are
    not those of the digest that they are pushed as.
    """
    if len(content) > MAX_BYTES:
        raise RegistryError(
            "SIZE_INVALID", f"the manifest has more than {MAX_BYTES} bytes; split it into an index"
        )
    digest = digest_of(content, reference.digest)
    if reference.digest and reference.digest != digest:
        raise RegistryError(
            "DIGEST_INVALID",
            f"the manifest has digest {digest}, but is pushed as {reference.digest}; "
            "push it again, unchanged",
        )
    document = _decode(content)
    kind = _media_type(document, media_type)
    return _manifest(content, kind, digest, document)


def _decode(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _invalid("is not a JSON object")
    if _deeper_than(document, MAX_DEPTH):
        raise _invalid(f"is nested deeper than {MAX_DEPTH} levels")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return content


def _deeper_than(value: Any, depth: int) -> bool:
    level: list[Any] = [value]
    for _ in range(depth):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _media_type(document: dict[str, Any], header: str) -> str:
    """The one media type that header, `mediaType` field and shape agree on."""
    named = header.partition(";")[0].strip().lower()
    inside = document.get("mediaType", "")
    if named.startswith(_SCHEMA_1) or document.get("schemaVersion") == 1 or "fsLayers" in document:
        raise _invalid(
            "is of schema 1, which is not supported: it does not say how large its layers are; "
            "push the image with a current client, as Docker schema 2 or OCI"
        )
    media_type = named or inside
    if not isinstance(inside, str) or (inside and inside != media_type):
        raise _invalid(f"is sent as {named}, but says that it is {inside!r}")
    if media_type not in _LISTS:
        known = ", ".join(MEDIA_TYPES)
        raise _invalid(f"has media type {media_type!r}; supported are {known}")
    return media_type


def _manifest(
    content: bytes, media_type: str, digest: str, document: dict[str, Any]
) -> PushedManifest:
    _check_names(document)
    own = _LISTS[media_type]
    foreign = {name for names in _LISTS.values() for name in names} - own
    if missing := sorted(own - document.keys() - {"blobs"}):
        raise _invalid(f"is a {media_type} and has no {missing[0]!r}")
    if unexpected := sorted(foreign & document.keys()):
        raise _invalid(f"is a {media_type} and has {unexpected[0]!r}, which belongs to another")
    try:
        parsed = ManifestContent.model_validate(document)
        subject = Descriptor.model_validate(document.get("subject") or {}).digest
    except ValidationError as error:
        raise _invalid("; ".join(problems(error))) from None
    entries = [*parsed.stored, *parsed.manifests]
    if len(entries) > MAX_ENTRIES:
        raise _invalid(f"has {len(entries)} entries; at most {MAX_ENTRIES} are accepted")
    for name in own:
        for descriptor in _descriptors(document.get(name)):
            _check_descriptor(name, descriptor)
    children = tuple(parse_digest(child.digest) for child in parsed.manifests)
    if subject:
        parse_digest(subject)
    return PushedManifest(
        content, media_type, digest, parsed.size, tuple(parsed.stored), children, subject
    )


def _descriptors(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _check_descriptor(name: str, descriptor: dict[str, Any]) -> None:
    _check_names(descriptor)
    if not isinstance(descriptor.get("size"), int):
        raise _invalid(f"has an entry in {name!r} without a size")
    parse_digest(str(descriptor.get("digest", "")))


def _check_names(document: dict[str, Any]) -> None:
    for name in document:
        meant = _BY_FOLDED_NAME.get(name.casefold(), name)
        if meant != name:
            raise _invalid(f"spells {meant!r} as {name!r}")


def _invalid(problem: str) -> RegistryError:
    return RegistryError("MANIFEST_INVALID", f"the manifest {problem}")
