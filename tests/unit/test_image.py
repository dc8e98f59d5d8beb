"""The size of an image by its own object, and contradictions within it."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.model.image import Image, ImageClaim
from app.model.manifest import OCI_MANIFEST

MIB = 1024**2


LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def descriptor(name: str, size: int) -> dict[str, Any]:
    return {"digest": "sha256:" + hashlib.sha256(name.encode()).hexdigest(), "size": size}


def image(**fields: Any) -> Image:
    return Image.model_validate(fields)


def layer(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "size": size}


def embedded(manifest: str) -> dict[str, Any]:
    return {"metadata": named_after(manifest), "dockerImageManifest": manifest}


def named_after(manifest: str) -> dict[str, str]:
    return {"name": "sha256:" + hashlib.sha256(manifest.encode(errors="replace")).hexdigest()}


MANIFEST = json.dumps({"config": descriptor("c", 10), "layers": [descriptor("a", 100)]})
INDEX = json.dumps({"manifests": [descriptor("m", 5)]})
CACHE = json.dumps({"manifests": [{**descriptor("l", 70), "mediaType": LAYER}]})


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        pytest.param({}, None, id="nothing listed"),
        pytest.param({"dockerImageMetadata": {"Size": 5}}, None, id="a claim is no measurement"),
        pytest.param(
            {"dockerImageLayers": [layer("a", 100), layer("b", 50), layer("a", 100)]},
            150,
            id="distinct layers",
        ),
        pytest.param({"dockerImageLayers": [{"name": "a"}]}, None, id="layers without a size"),
        pytest.param(
            {"dockerImageLayers": [{"name": "a"}, layer("b", 5)]}, 5, id="one layer with a size"
        ),
        pytest.param(
            {"dockerImageLayers": [layer("a", 100)], "dockerImageConfig": "{...}"},
            105,
            id="the embedded config beside the layers",
        ),
        pytest.param(embedded(MANIFEST), 110, id="the embedded manifest"),
        pytest.param(
            {"dockerImageManifest": MANIFEST}, None, id="an embedded manifest of another digest"
        ),
        pytest.param(
            {"dockerImageLayers": [layer("a", 1)], **embedded(MANIFEST)},
            110,
            id="the manifest where it names more",
        ),
        pytest.param(
            {"dockerImageLayers": [layer("a", 500)], **embedded(MANIFEST)},
            500,
            id="the layers where they name more",
        ),
        pytest.param(
            {"dockerImageLayers": [layer("a", 5)], "dockerImageManifest": "no json"},
            5,
            id="the layers where the manifest is unreadable",
        ),
        pytest.param({"dockerImageManifest": "no json"}, None, id="an unreadable manifest"),
        pytest.param(embedded(INDEX), 0, id="an index by its manifest"),
        pytest.param(embedded(CACHE), 70, id="layers that an index lists"),
        pytest.param(
            {
                "dockerImageManifests": [
                    {"digest": "sha256:l", "manifestSize": 70, "mediaType": LAYER},
                    {"digest": "sha256:m", "manifestSize": 5},
                ]
            },
            70,
            id="layers that an index lists by its own word",
        ),
        pytest.param(
            {"dockerImageManifests": [{"digest": "sha256:m", "manifestSize": 5}]},
            0,
            id="an index by its children",
        ),
        pytest.param(
            {"dockerImageManifests": [{"digest": "sha256:m"}, {"mediaType": OCI_MANIFEST}]},
            None,
            id="an index with an image without a digest",
        ),
        pytest.param(
            {"dockerImageManifests": [{"mediaType": LAYER, "manifestSize": 70}]},
            70,
            id="an index with a layer without a digest",
        ),
        pytest.param(
            {"dockerImageManifests": [{"digest": "m"}], "dockerImageLayers": [layer("a", 9)]},
            9,
            id="an index that smuggles layers",
        ),
    ],
)
def test_measured_size(fields: dict[str, Any], size: int | None) -> None:
    assert image(**fields).measured_size == size


@pytest.mark.parametrize(
    ("metadata", "size"),
    [
        ({}, None),
        ({"Size": None}, None),
        ({"Size": 0}, None),
        ({"Size": 1200 * MIB}, 1200 * MIB),
        ({"Size": 2**63 - 1}, 2**63 - 1),
        ({"size": 7, "Architecture": "amd64"}, 7),
    ],
    ids=["absent", "null", "zero is unset", "set", "largest", "lower case and among others"],
)
def test_claimed_size(metadata: dict[str, Any], size: int | None) -> None:
    assert image(dockerImageMetadata=metadata).claimed_size == size


@pytest.mark.parametrize(
    ("claimed", "layers", "size"),
    [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 7), (9, 7, 9), (0, 7, 7)],
)
def test_the_larger_of_claim_and_measure_counts(
    claimed: int | None, layers: int | None, size: int | None
) -> None:
    listed = [] if layers is None else [layer("a", layers)]
    assert image(dockerImageMetadata={"Size": claimed}, dockerImageLayers=listed).size == size


@pytest.mark.parametrize(
    "fields",
    [
        {"dockerImageMetadata": {"Size": -1}},
        {"dockerImageMetadata": {"Size": 2**63}},
        {"dockerImageMetadata": {"Size": "large"}},
        {"dockerImageLayers": [layer("a", -1)]},
        {"dockerImageManifests": [{"manifestSize": -1}]},
    ],
    ids=["negative", "beyond 64 bits", "text", "a negative layer", "a negative child"],
)
def test_impossible_sizes_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        image(**fields)


def test_children_are_those_of_the_manifest_and_those_of_the_object() -> None:
    child = descriptor("m", 5)["digest"]
    both = image(
        **embedded(INDEX), dockerImageManifests=[{"digest": "sha256:n"}, {"digest": child}]
    )
    assert both.claim.children == (child, "sha256:n")


def test_layers_of_unknown_size_are_no_blobs() -> None:
    listed = image(dockerImageLayers=[layer("a", 5), layer("b", 0), {"name": "c"}])
    assert listed.blobs == {"a": 5}


def test_condensed_image_keeps_its_size() -> None:
    index = image(**embedded(CACHE), dockerImageManifests=[{"digest": "sha256:n"}])
    kept = index.condensed.claim
    assert (kept.size, kept.children) == (70, ("sha256:n",))
    assert kept.others == index.claim.others != ()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dockerImageLayers": [{"name": "a"}], "dockerImageManifests": [{"digest": "sha256:n"}]},
        {"dockerImageManifests": [{"digest": "sha256:n"}, {}]},
    ],
    ids=["nothing listed", "layers without a size", "an entry without a digest"],
)
def test_condensed_image_keeps_an_unknown_size_unknown(fields: dict[str, Any]) -> None:
    full = image(**fields)
    kept = full.condensed.claim
    assert (kept.size, kept.children) == (None, full.children)


def test_of_several_sources_the_larger_size_and_all_children_count() -> None:
    word = ImageClaim("d", 5, ("a",))
    proof = ImageClaim("d", 9, ("b", "a"), proven=True)
    assert ImageClaim.merged("d", [word, proof]) == ImageClaim("d", 9, ("a", "b"), proven=True)
    assert ImageClaim.merged("d", []) == ImageClaim("d")


def test_the_digest_is_the_name() -> None:
    assert image(metadata={"name": "sha256:x"}).digest == "sha256:x"


BLOBS = st.lists(st.tuples(st.text("abc", min_size=1, max_size=1), st.integers(0, 2**40)))


@given(BLOBS)
def test_a_size_never_depends_on_the_order_of_layers(blobs: list[tuple[str, int]]) -> None:
    layers = [layer(name, size) for name, size in blobs]
    forward, backward = image(dockerImageLayers=layers), image(dockerImageLayers=layers[::-1])
    assert forward.measured_size == backward.measured_size


@given(BLOBS.filter(bool))
def test_a_size_lies_between_the_largest_layer_and_the_sum(blobs: list[tuple[str, int]]) -> None:
    sizes = [size for _, size in blobs]
    measured = image(dockerImageLayers=[layer(*blob) for blob in blobs]).measured_size
    assert max(sizes) <= (measured or 0) <= sum(sizes)


@given(st.text())
def test_any_embedded_text_has_a_size_or_none(text: str) -> None:
    claim = image(**embedded(text)).claim
    assert claim.size is None or claim.size >= 0
