"""The size of an image by its own object, and contradictions within it."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.model.image import Image, ImageClaim

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


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing said"),
        pytest.param({"dockerImageMetadata": {"Size": 5}}, id="only a claim"),
        pytest.param({"dockerImageLayers": [layer("a", 5)]}, id="only layers"),
        pytest.param(
            {"dockerImageMetadata": {"Size": 5}, "dockerImageLayers": [layer("a", 5)]},
            id="a claim that the layers confirm",
        ),
        pytest.param(
            {"dockerImageMetadata": {"Size": 9}, "dockerImageLayers": [layer("a", 5)]},
            id="a larger claim: the config counts, too",
        ),
        pytest.param(
            {"dockerImageMetadata": {"Size": 0}, "dockerImageLayers": [layer("a", 5)]},
            id="no claim",
        ),
        pytest.param(
            {"metadata": named_after(MANIFEST), "dockerImageManifest": MANIFEST},
            id="a manifest that the image is named after",
        ),
        pytest.param(
            {
                "metadata": named_after(MANIFEST),
                "dockerImageManifest": MANIFEST,
                "dockerImageMetadata": {"Size": 100},
            },
            id="a claim that leaves out the config",
        ),
        pytest.param(
            {
                "metadata": {"name": "sha256:unsigned"},
                "dockerImageManifest": '{"schemaVersion": 1, "signatures": []}',
                "dockerImageManifestMediaType": (
                    "application/vnd.docker.distribution.manifest.v1+prettyjws"
                ),
            },
            id="a signed manifest, whose digest leaves out the signatures",
        ),
    ],
)
def test_consistent_objects_have_no_contradiction(fields: dict[str, Any]) -> None:
    assert image(**fields).contradictions == []


def test_a_claim_below_the_layers_is_a_contradiction() -> None:
    liar = image(dockerImageMetadata={"Size": 5}, dockerImageLayers=[layer("a", 4), layer("b", 2)])
    assert liar.contradictions == [
        "dockerImageMetadata.Size claims 5 bytes, but its own layers add up to 6 bytes"
    ]


def test_a_manifest_of_another_digest_is_a_contradiction() -> None:
    actual = named_after(MANIFEST)["name"]
    liar = image(metadata={"name": "sha256:other"}, dockerImageManifest=MANIFEST)
    assert liar.contradictions == [
        f"dockerImageManifest has digest {actual}, but the image is named sha256:other"
    ]


def test_a_manifest_that_a_registry_reads_otherwise_is_a_contradiction() -> None:
    disguised = json.dumps({"config": descriptor("c", 1), "layers": [], "Layers": []})
    assert image(**embedded(disguised)).contradictions == [
        "dockerImageManifest spells 'layers' as 'Layers'"
    ]


def test_every_contradiction_is_named() -> None:
    liar = image(
        dockerImageMetadata={"Size": 99},
        dockerImageLayers=[layer("a", 100)],
        dockerImageManifest=MANIFEST,
    )
    assert len(liar.contradictions) == 2


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(MANIFEST, id="a manifest of schema 2"),
        pytest.param('{"schemaVersion": 2}', id="no manifest at all"),
    ],
)
def test_declared_schema_1_needs_a_schema_1_manifest(manifest: str) -> None:
    liar = image(
        metadata={"name": "sha256:other"},
        dockerImageManifest=manifest,
        dockerImageManifestMediaType="application/vnd.docker.distribution.manifest.v1+prettyjws",
    )
    assert len(liar.contradictions) == 1


def test_children_are_those_of_the_manifest_and_those_of_the_object() -> None:
    child = descriptor("m", 5)["digest"]
    both = image(
        **embedded(INDEX), dockerImageManifests=[{"digest": "sha256:n"}, {"digest": child}]
    )
    assert both.claim.children == (child, "sha256:n")


def test_condensed_image_keeps_its_size() -> None:
    index = image(**embedded(CACHE), dockerImageManifests=[{"digest": "sha256:n"}])
    kept = index.condensed.claim
    assert (kept.size, kept.children) == (70, ("sha256:n",))
    assert kept.others == index.claim.others != ()


def test_of_several_sources_the_larger_size_and_all_children_count() -> None:
    word = ImageClaim("d", 5, ("a",))
    proof = ImageClaim("d", 9, ("b", "a"), proven=True)
    assert ImageClaim.merged("d", [word, proof]) == ImageClaim("d", 9, ("a", "b"), proven=True)
    assert ImageClaim.merged("d", []) == ImageClaim("d")


def test_a_manifest_that_is_no_unicode_text_is_a_contradiction() -> None:
    liar = image(metadata={"name": "sha256:x"}, dockerImageManifest="\ud800")
    assert len(liar.contradictions) == 1


def test_the_digest_is_the_name() -> None:
    assert image(metadata={"name": "sha256:x"}).digest == "sha256:x"


@pytest.mark.parametrize(
    ("fields", "proven"),
    [
        pytest.param({"dockerImageMetadata": {"Size": 5}}, False, id="a claim"),
        pytest.param({"dockerImageLayers": [layer("a", 5)]}, False, id="layers"),
        pytest.param({"dockerImageManifests": [{"digest": "m"}]}, False, id="children"),
        pytest.param({"dockerImageManifest": MANIFEST}, False, id="a manifest of another digest"),
        pytest.param(
            {"dockerImageManifest": MANIFEST, "metadata": named_after(MANIFEST)},
            True,
            id="a manifest of this digest",
        ),
        pytest.param(
            {"dockerImageManifest": "{}", "metadata": named_after("{}")},
            False,
            id="text that is no manifest",
        ),
        pytest.param(
            {
                **embedded(MANIFEST),
                "dockerImageManifestMediaType": (
                    "application/vnd.docker.distribution.manifest.v1+prettyjws"
                ),
            },
            False,
            id="what is said to be of schema 1",
        ),
        pytest.param(
            embedded(json.dumps({"config": descriptor("c", 1), "layers": [], "Layers": [1]})),
            False,
            id="a manifest that a registry reads otherwise",
        ),
    ],
)
def test_a_size_is_proven_by_the_digest_alone(fields: dict[str, Any], proven: bool) -> None:
    assert image(**fields).claim.proven is proven


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


@given(BLOBS.filter(bool), st.integers(1, 2**42))
def test_contradiction_needs_an_understated_size(blobs: list[tuple[str, int]], claim: int) -> None:
    claimant = image(
        dockerImageMetadata={"Size": claim}, dockerImageLayers=[layer(*blob) for blob in blobs]
    )
    assert bool(claimant.contradictions) == (claim < (claimant.measured_size or 0))


@given(st.text())
def test_any_embedded_text_has_a_size_or_none(text: str) -> None:
    claim = image(**embedded(text)).claim
    assert claim.size is None or claim.size >= 0
