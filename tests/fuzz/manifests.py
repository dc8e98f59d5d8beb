"""Pushed manifests and manifests in an Image, compared with the reading of a registry in Go."""

import hashlib
import json
from typing import Any

from app.model.manifest import (
    INDEXES,
    MEDIA_TYPES,
    OCI_ARTIFACT,
    InvalidManifestError,
    Manifest,
    parse_embedded,
)
from app.registry.errors import RegistryError
from app.registry.manifest import parse
from app.registry.names import Reference
from tests.unit.pushes import blob, image, index

from .target import Target, mutate_json

_CODES = {"MANIFEST_INVALID", "SIZE_INVALID", "DIGEST_INVALID"}
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def check(content: bytes) -> None:
    for media_type in ("", *MEDIA_TYPES):
        pushed, inside = _pushed(content, media_type), _embedded(content, media_type)
        if pushed is not None:
            _compare(pushed, content)
            assert inside == pushed
        elif inside is not None:
            assert not media_type
            _compare(inside, content)


def _pushed(content: bytes, media_type: str) -> Manifest | None:
    try:
        return parse(content, media_type, Reference(tag="v1"))
    except RegistryError as error:
        assert error.code in _CODES
        json.dumps(error.body).encode()
        return None


def _embedded(content: bytes, media_type: str) -> Manifest | None:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    try:
        return parse_embedded(content.decode(), media_type, digest)
    except (UnicodeDecodeError, InvalidManifestError):
        return None


def _compare(manifest: Manifest, content: bytes) -> None:
    """Bytes of the distinct blobs and the children. Field names match in any case, and the last of
    two equal names counts."""
    document = json.loads(content, object_pairs_hook=_folded)
    if manifest.media_type in INDEXES:
        listed = _listed(document, "manifests")
        children = [each for each in listed if _is_manifest(each)]
        blobs = others = [each for each in listed if not _is_manifest(each)]
    else:
        children, others = [], []
        artifact = manifest.media_type == OCI_ARTIFACT
        names = ("blobs",) if artifact else ("layers", "config")
        blobs = [each for name in names for each in _listed(document, name)]
    sizes: dict[str, int] = {}
    for each in blobs:
        sizes[each["digest"]] = max(sizes.get(each["digest"], 0), each["size"])
    assert manifest.size == sum(sizes.values())
    assert list(manifest.children) == [each["digest"] for each in children]
    assert sorted(manifest.listed) == sorted(each["digest"] for each in (*children, *others))


def _listed(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = document.get(name) or []
    return value if isinstance(value, list) else [value]


def _is_manifest(descriptor: dict[str, Any]) -> bool:
    media_type = descriptor.get("mediatype") or ""
    return media_type in ("", *MEDIA_TYPES) or media_type.startswith(_SCHEMA_1)


def _folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name.casefold(): value for name, value in pairs}


TARGET = Target(
    "manifests",
    check,
    (
        image(),
        index(image()),
        json.dumps({"manifests": [{**blob("a", 5), "mediaType": _LAYER}]}).encode(),
        json.dumps({"mediaType": OCI_ARTIFACT, "blobs": [blob("a", 1)]}).encode(),
        json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(),
    ),
    mutate_json,
)
