"""Image manifests of every current media type, within bounds, and with one meaning only.

A registry in Go reads field names in any case and uses the last of two equal ones, and one document
can look like an image and an index at once (CVE-2021-41190). A manifest that this service and the
registry may read differently could hide its size. Such manifests are refused.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from app.model.base import DIGEST_PATTERN
from app.model.nesting import is_deeper_than

MAX_BYTES = 4 * 2**20
"""The size that the distribution spec requires every registry to accept; most accept no more."""
MAX_ENTRIES = 4096
MAX_DEPTH = 32
MAX_VALUES = 200_000
"""JSON values. Reading four MiB of brackets would hold up all other requests for a second."""
MAX_SIZE = 2**63 - 1

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
"""Fields that a document of each media type must have."""
_ALL_LISTS = {name for names in _LISTS.values() for name in names}
_FIELDS = {
    "schemaVersion", "mediaType", "config", "layers", "blobs", "manifests", "subject",
    "artifactType", "digest", "size",
}  # fmt: skip
_BY_FOLDED_NAME = {name.casefold(): name for name in _FIELDS}
_DIGEST = re.compile(DIGEST_PATTERN, re.ASCII)


@dataclass
class InvalidManifestError(Exception):
    """A manifest that is refused. `code` is the error code of the distribution spec."""

    message: str
    code: str = "MANIFEST_INVALID"

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Descriptor:
    """A blob or manifest that a manifest names. `size` is in bytes."""

    digest: str
    size: int
    media_type: str = ""

    @property
    def is_manifest(self) -> bool:
        """Whether an entry of an index is a manifest. An entry without a media type may be one."""
        return self.media_type in ("", *MEDIA_TYPES) or self.media_type.startswith(_SCHEMA_1)


@dataclass(frozen=True)
class Manifest:
    """A manifest that has one meaning only."""

    media_type: str
    digest: str
    blobs: tuple[Descriptor, ...] = ()
    """Layers and config; of an index, the listed blobs that are not manifests."""
    children: tuple[str, ...] = ()
    """Digests of the manifests that an index lists."""
    subject: str = ""
    """Digest of the manifest that this one refers to."""
    others: tuple[str, ...] = ()
    """Digests that an index lists as no manifest."""

    @property
    def listed(self) -> tuple[str, ...]:
        """Digests that an index lists, under whatever media type. Registries and CRI-O serve a
        manifest by its digest, and ignore the media type in the index."""
        return self.children + self.others

    def with_images(self, known: Collection[str]) -> "Manifest":
        """The same manifest, with those of its `others` as children that are known as images."""
        images = tuple(digest for digest in self.others if digest in known)
        if not images:
            return self
        others = tuple(digest for digest in self.others if digest not in known)
        return replace(self, children=self.children + images, others=others)

    @property
    def size(self) -> int:
        """Bytes of the distinct blobs, without those of the children."""
        return distinct_total((blob.digest, blob.size) for blob in self.blobs)

    @property
    def layers_size(self) -> int:
        """Bytes without the config, which is the last blob of an image."""
        layers = self.blobs[:-1] if "config" in _LISTS[self.media_type] else self.blobs
        return distinct_total((blob.digest, blob.size) for blob in layers)


def parse(content: bytes, media_type: str, digest: str = "") -> Manifest:
    """Parse a manifest as it is pushed or stored.

    `media_type` is its Content-Type, `digest` is the digest that it must have. Raises
    InvalidManifestError: MANIFEST_INVALID, SIZE_INVALID, or DIGEST_INVALID for other bytes.
    """
    actual = digest or digest_of(content)
    _check_bytes(content, actual)
    document = _decode(content)
    return _manifest(document, _media_type(document, media_type), actual)


def parse_embedded(text: str, media_type: str, digest: str) -> Manifest:
    """Parse the manifest inside an Image, whose media type may be missing.

    Raises InvalidManifestError for text that `parse` would refuse.
    """
    content = text.encode(errors="replace")
    _check_bytes(content, digest)
    document = _decode(content)
    header = media_type or ("" if document.get("mediaType") else _shape(document))
    return _manifest(document, _media_type(document, header), digest)


def is_schema_1(text: str) -> bool:
    """Whether text declares itself to be schema 1. Its digest is that of the manifest without
    signatures, and it has no sizes."""
    try:
        document = _decode(text.encode(errors="replace")) if len(text) <= MAX_BYTES else {}
    except InvalidManifestError:
        return False
    return document.get("schemaVersion") == 1


def digest_of(content: bytes, expected: str = "") -> str:
    """The digest of a manifest's bytes, by the algorithm of the digest that it should have."""
    if expected.startswith("sha512:"):
        return "sha512:" + hashlib.sha512(content).hexdigest()
    return "sha256:" + hashlib.sha256(content).hexdigest()


def distinct_total(blobs: Iterable[tuple[str, int]]) -> int:
    """Bytes of (name, size) pairs. A name that occurs twice counts once; pairs without a name all
    count."""
    named: dict[str, int] = {}
    total = 0
    for name, size in blobs:
        if name:
            named[name] = max(size, named.get(name, 0))
        else:
            total += size
    return total + sum(named.values())


def _check_bytes(content: bytes, digest: str) -> None:
    if len(content) > MAX_BYTES:
        problem = f"the manifest has more than {MAX_BYTES} bytes; split it into an index"
        raise InvalidManifestError(problem, "SIZE_INVALID")
    actual = digest_of(content, digest)
    if actual != digest:
        raise InvalidManifestError(
            f"the manifest has digest {actual}, but is pushed as {digest}; "
            "push it again, unchanged",
            "DIGEST_INVALID",
        )


def _decode(content: bytes) -> dict[str, Any]:
    if sum(map(content.count, (b"[", b"{", b","))) > MAX_VALUES:
        raise _invalid(f"has more than {MAX_VALUES} values")
    try:
        document = json.loads(content.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _invalid("is not a JSON object")
    if is_deeper_than(document, MAX_DEPTH):
        raise _invalid(f"is nested deeper than {MAX_DEPTH} levels")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice[:200]!r} stands twice in one object")
    return content


def _media_type(document: dict[str, Any], header: str) -> str:
    """The media type on which header, `mediaType` field and shape agree."""
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


def _shape(document: dict[str, Any]) -> str:
    """The media type of a document that names none. An artifact manifest always names its own."""
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST


def _manifest(document: dict[str, Any], media_type: str, digest: str) -> Manifest:
    _check_names(document)
    own = _LISTS[media_type]
    if missing := sorted(own - document.keys() - {"blobs"}):
        raise _invalid(f"is a {media_type} and has no {missing[0]!r}")
    if unexpected := sorted((_ALL_LISTS - own) & document.keys()):
        raise _invalid(f"is a {media_type} and has {unexpected[0]!r}, which belongs to another")
    blobs = [*_descriptors(document, "layers"), *_descriptors(document, "blobs")]
    if "config" in own:
        blobs.append(_descriptor("config", document["config"]))
    listed = _descriptors(document, "manifests")
    others = [item for item in listed if not item.is_manifest]
    blobs += others
    children = tuple(item.digest for item in listed if item.is_manifest)
    subject = document.get("subject")
    referred = _descriptor("subject", subject).digest if subject else ""
    no_images = tuple(item.digest for item in others)
    return Manifest(media_type, digest, tuple(blobs), children, referred, no_images)


def _descriptors(document: dict[str, Any], name: str) -> list[Descriptor]:
    listed = document.get(name)
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise _invalid(f"has {name!r}, which is no list")
    if len(listed) > MAX_ENTRIES:
        raise _invalid(f"has {len(listed)} entries in {name!r}; at most {MAX_ENTRIES} are accepted")
    return [_descriptor(name, item) for item in listed]


def _descriptor(name: str, value: Any) -> Descriptor:
    if not isinstance(value, dict):
        raise _invalid(f"has an entry in {name!r} that is no object")
    _check_names(value)
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType") or ""
    if isinstance(size, bool) or not isinstance(size, int):
        raise _invalid(f"has an entry in {name!r} without a size")
    if not 0 <= size <= MAX_SIZE:
        raise _invalid(f"has an entry in {name!r} whose size cannot be: {size}")
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise InvalidManifestError(
            f"the manifest has an entry in {name!r} whose digest is {str(digest)[:200]!r}, "
            "and not of the form sha256:<64 hex digits> or sha512:<128 hex digits>",
            "DIGEST_INVALID",
        )
    if not isinstance(media_type, str):
        raise _invalid(f"has an entry in {name!r} whose mediaType is no text")
    return Descriptor(digest, size, media_type)


def _check_names(document: dict[str, Any]) -> None:
    for name in document:
        meant = _BY_FOLDED_NAME.get(name.casefold(), name)
        if meant != name:
            raise _invalid(f"spells {meant!r} as {name!r}")


def _invalid(problem: str) -> InvalidManifestError:
    return InvalidManifestError(f"the manifest {problem}")
