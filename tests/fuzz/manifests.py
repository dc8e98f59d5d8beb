"""Manifests as they are pushed, held against how a registry written in Go reads them."""

import json
from typing import Any

from app.model.manifest import INDEXES, MEDIA_TYPES, OCI_ARTIFACT
from app.registry.errors import RegistryError
from app.registry.manifest import parse
from app.registry.names import Reference
from tests.unit.pushes import blob, image, index

from .target import Target, mutate_json

_CODES = {"MANIFEST_INVALID", "SIZE_INVALID", "DIGEST_INVALID"}


def check(content: bytes) -> None:
    for media_type in ("", *MEDIA_TYPES):
        try:
            pushed = parse(content, media_type, Reference(tag="v1"))
        except RegistryError as error:
            assert error.code in _CODES
            json.dumps(error.body).encode()
            continue
        assert pushed.size == _size_in_go(content, pushed.media_type)


def _size_in_go(content: bytes, media_type: str) -> int:
    """Bytes of the distinct blobs, with names of fields in any case and the last of two taken."""
    document = json.loads(content, object_pairs_hook=_folded)
    names = () if media_type in INDEXES else ("layers", "config")
    sizes: dict[str, int] = {}
    for name in ("blobs",) if media_type == OCI_ARTIFACT else names:
        value = document.get(name) or []
        for descriptor in value if isinstance(value, list) else [value]:
            digest = descriptor["digest"]
            sizes[digest] = max(sizes.get(digest, 0), descriptor["size"])
    return sum(sizes.values())


def _folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name.casefold(): value for name, value in pairs}


TARGET = Target(
    "manifests",
    check,
    (
        image(),
        index(image()),
        json.dumps({"mediaType": OCI_ARTIFACT, "blobs": [blob("a", 1)]}).encode(),
        json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(),
    ),
    mutate_json,
)
