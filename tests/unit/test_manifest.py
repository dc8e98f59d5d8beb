"""Parsing pushed manifests: one meaning, and the size of the distinct blobs."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MAX_BYTES,
    MAX_ENTRIES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    InvalidManifestError,
    parse_embedded,
)
from app.registry.errors import RegistryError
from app.registry.manifest import parse
from app.registry.names import Reference

TAG = Reference(tag="v1")
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def blob(name: str, size: int) -> dict[str, Any]:
    return {"mediaType": "x/y", "digest": digest_of(name.encode()), "size": size}


def image(**fields: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "config": blob("c", 10), "layers": [blob("a", 100)], **fields}


def child(name: str, media_type: str = OCI_MANIFEST) -> dict[str, Any]:
    return {**blob(name, 500), "mediaType": media_type}


def index(**fields: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "manifests": [child("m"), child("n")], **fields}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("document", "media_type", "size"),
    [
        pytest.param(image(), DOCKER_MANIFEST, 110, id="Docker schema 2"),
        pytest.param(image(), OCI_MANIFEST, 110, id="OCI image"),
        pytest.param(image(mediaType=OCI_MANIFEST), OCI_MANIFEST, 110, id="named twice"),
        pytest.param(
            image(
                layers=[{**blob("a", 100), "annotations": dict.fromkeys("abcdefgh", "x")}] * 4096
            ),
            OCI_MANIFEST,
            110,
            id="many layers",
        ),
        pytest.param(image(mediaType=OCI_MANIFEST), "", 110, id="named in the document only"),
        pytest.param(image(), f"{OCI_MANIFEST}; charset=utf-8", 110, id="with a parameter"),
        pytest.param(
            image(layers=[blob("a", 100), blob("a", 100), blob("b", 1)]),
            OCI_MANIFEST,
            111,
            id="a layer listed twice is stored once",
        ),
        pytest.param(image(layers=[]), OCI_MANIFEST, 10, id="no layers"),
        pytest.param(index(), OCI_INDEX, 0, id="OCI index"),
        pytest.param(
            index(manifests=[child("m"), blob("l", 100), blob("l", 100), blob("c", 1)]),
            OCI_INDEX,
            101,
            id="what an index lists that is no manifest is a blob",
        ),
        pytest.param(
            index(manifests=[child("m", ""), child("n", SCHEMA_1), child("o", OCI_INDEX)]),
            OCI_INDEX,
            0,
            id="children of any kind",
        ),
        pytest.param(index(manifests=None), OCI_INDEX, 0, id="an index of null"),
        pytest.param(image(layers=None), OCI_MANIFEST, 10, id="layers that are null"),
        pytest.param(index(), DOCKER_LIST, 0, id="Docker manifest list"),
        pytest.param(
            image(artifactType="x/sbom", subject=blob("s", 7)), OCI_MANIFEST, 110, id="referrer"
        ),
        pytest.param({"blobs": [blob("b", 5)]}, OCI_ARTIFACT, 5, id="artifact manifest"),
        pytest.param({"subject": blob("s", 7)}, OCI_ARTIFACT, 0, id="artifact without blobs"),
        pytest.param(
            image(annotations={"Layers": "none", "Size": "3"}),
            OCI_MANIFEST,
            110,
            id="annotations are named freely",
        ),
    ],
)
def test_every_current_media_type_has_a_size(
    document: dict[str, Any], media_type: str, size: int
) -> None:
    content = encoded(document)

    parsed = parse(content, media_type, TAG)

    assert (parsed.size, parsed.digest) == (size, digest_of(content))
    assert parsed.media_type == (media_type.partition(";")[0] or OCI_MANIFEST)


def test_index_has_children_and_referrer_has_a_subject() -> None:
    children = tuple(child["digest"] for child in index()["manifests"])
    subject = blob("s", 7)

    assert parse(encoded(index()), OCI_INDEX, TAG).children == children
    assert parse(encoded(image(subject=subject)), OCI_MANIFEST, TAG).subject == subject["digest"]


@pytest.mark.parametrize(
    ("document", "media_type", "message"),
    [
        pytest.param({"schemaVersion": 1, "fsLayers": []}, SCHEMA_1, "schema 1", id="schema 1"),
        pytest.param({"schemaVersion": 1}, "application/json", "schema 1", id="schema 1 as JSON"),
        pytest.param(image(), SCHEMA_1, "schema 1", id="schema 1 by its header alone"),
        pytest.param(image(), "text/plain", "supported are", id="an unknown media type"),
        pytest.param(image(), "", "supported are", id="no media type at all"),
        pytest.param(image(mediaType=OCI_MANIFEST), OCI_INDEX, "is sent as", id="two media types"),
        pytest.param(image(mediaType=5), OCI_MANIFEST, "is sent as", id="a number as media type"),
        pytest.param(image(), OCI_INDEX, "has no 'manifests'", id="an image sent as index"),
        pytest.param(index(), OCI_MANIFEST, "has no 'config'", id="an index sent as image"),
        pytest.param(
            {**image(), **index()}, OCI_INDEX, "belongs to another", id="image and index at once"
        ),
        pytest.param(
            {"schemaVersion": 2, "config": blob("c", 1)}, OCI_MANIFEST, "'layers'", id="no layers"
        ),
        pytest.param(image(Layers=[]), OCI_MANIFEST, "spells 'layers' as 'Layers'", id="case"),
        pytest.param(image(**{"layer\u017f": []}), OCI_MANIFEST, "spells 'layers'", id="a long s"),
        pytest.param(
            image(layers=[{**blob("a", 1), "Size": 10**12}]), OCI_MANIFEST, "'Size'", id="Size"
        ),
        pytest.param(
            image(layers=[{"digest": digest_of(b"a")}]), OCI_MANIFEST, "without a size", id="size"
        ),
        pytest.param(image(layers=[blob("a", -1)]), OCI_MANIFEST, "size", id="a negative size"),
        pytest.param(image(layers=[blob("a", 2**63)]), OCI_MANIFEST, "size", id="beyond 64 bits"),
        pytest.param(
            image(layers=[{**blob("a", 1), "size": 1.5}]), OCI_MANIFEST, "size", id="half a byte"
        ),
        pytest.param(
            image(layers=[{**blob("a", 1), "size": True}]), OCI_MANIFEST, "size", id="true bytes"
        ),
        pytest.param(
            image(layers=[{**blob("a", 1), "mediaType": 5}]), OCI_MANIFEST, "mediaType", id="type"
        ),
        pytest.param(image(layers={"a": 1}), OCI_MANIFEST, "is no list", id="no list of layers"),
        pytest.param(image(layers=["a"]), OCI_MANIFEST, "is no object", id="a name as a layer"),
        pytest.param(image(config=None), OCI_MANIFEST, "is no object", id="no config"),
        pytest.param(
            {"schemaVersion": 2, "config": blob("c", 1), "layers": [], "Layers": [blob("a", 9)]},
            OCI_MANIFEST,
            "spells 'layers' as 'Layers'",
            id="empty layers beside others",
        ),
        pytest.param(
            image(layers=[blob("a", 1)] * (MAX_ENTRIES + 1)),
            OCI_MANIFEST,
            "4097 entries",
            id="entries",
        ),
        pytest.param(
            image(annotations=[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]),
            OCI_MANIFEST,
            "nested deeper than 32",
            id="nesting",
        ),
        pytest.param(
            image(annotations=[[]] * 100_000), OCI_MANIFEST, "200000 values", id="many values"
        ),
        pytest.param([], OCI_MANIFEST, "not a JSON object", id="a list"),
    ],
)
def test_ambiguous_manifest_is_refused(document: Any, media_type: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message) as refusal:
        parse(encoded(document), media_type, TAG)

    assert (refusal.value.code, refusal.value.status) == ("MANIFEST_INVALID", 400)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b"[" * 100_000, id="nesting without end"),
        pytest.param(b'{"layers": [], "layers": []}', id="a field twice"),
        pytest.param(b'{"layers": [' + b"1" * 5000 + b"]}", id="a number without end"),
    ],
)
def test_invalid_json_is_refused(content: bytes) -> None:
    with pytest.raises(RegistryError, match="is not JSON") as refusal:
        parse(content, OCI_MANIFEST, TAG)

    assert refusal.value.code == "MANIFEST_INVALID"


def test_a_manifest_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(RegistryError, match="more than 4194304 bytes") as refusal:
        parse(b" " * (MAX_BYTES + 1), OCI_MANIFEST, TAG)

    assert refusal.value.code == "SIZE_INVALID"


def test_manifest_must_match_its_digest() -> None:
    content = encoded(image())

    assert parse(content, OCI_MANIFEST, Reference(digest=digest_of(content))).size == 110
    sha512 = "sha512:" + hashlib.sha512(content).hexdigest()
    assert parse(content, OCI_MANIFEST, Reference(digest=sha512)).digest == sha512
    with pytest.raises(RegistryError, match=digest_of(content)) as refusal:
        parse(content, OCI_MANIFEST, Reference(digest=digest_of(b"other")))
    assert refusal.value.code == "DIGEST_INVALID"


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["layers", "config", "manifests", "size", "digest", "x"]), inner
    ),
).map(encoded))  # fmt: skip
def test_any_bytes_are_parsed_or_refused(content: bytes) -> None:
    media_types = (OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT, "")
    assert {status(content, media_type) for media_type in media_types} <= {200, 400}


def status(content: bytes, media_type: str) -> int:
    try:
        return 200 if parse(content, media_type, TAG).size >= 0 else 500
    except RegistryError as error:
        return error.status


EMBEDDED = json.dumps(image())


@pytest.mark.parametrize(
    ("text", "media_type", "size"),
    [
        pytest.param(EMBEDDED, OCI_MANIFEST, 110, id="of the media type that is named"),
        pytest.param(EMBEDDED, "", 110, id="of a media type that is clear"),
        pytest.param(json.dumps(index()), "", 0, id="an index"),
        pytest.param(json.dumps(image(mediaType=DOCKER_MANIFEST)), "", 110, id="its own type"),
        pytest.param(EMBEDDED, OCI_INDEX, None, id="of another media type"),
        pytest.param(EMBEDDED, SCHEMA_1, None, id="said to be of schema 1"),
        pytest.param('{"schemaVersion": 1, "fsLayers": []}', SCHEMA_1, None, id="of schema 1"),
        pytest.param(
            json.dumps({**image(), "layers": [], "Layers": [blob("a", 10**12)]}),
            OCI_MANIFEST,
            None,
            id="layers spelled in two ways",
        ),
        pytest.param("", "", None, id="empty"),
        pytest.param("no json", "", None, id="no JSON"),
        pytest.param("[]", "", None, id="a list"),
        pytest.param("{}", "", None, id="an empty object"),
        pytest.param("\ud800", "", None, id="no Unicode text"),
        pytest.param("[" * 100_000, "", None, id="nesting without end"),
        pytest.param(" " * (MAX_BYTES + 1), "", None, id="too many bytes"),
    ],
)
def test_the_manifest_inside_an_image_is_read_as_a_pushed_one(
    text: str, media_type: str, size: int | None
) -> None:
    digest = digest_of(text.encode(errors="replace"))

    if size is None:
        with pytest.raises(InvalidManifestError):
            parse_embedded(text, media_type, digest)
    else:
        assert parse_embedded(text, media_type, digest).size == size


def test_embedded_manifest_of_another_digest_is_ignored() -> None:
    with pytest.raises(InvalidManifestError, match="has digest"):
        parse_embedded(EMBEDDED, OCI_MANIFEST, digest_of(b"other"))
