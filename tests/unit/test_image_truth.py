"""Proofs and contradictions of the declared size of an image."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_image import BLOBS, MANIFEST, descriptor, embedded, image, layer, named_after


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


def test_a_manifest_that_is_no_unicode_text_is_a_contradiction() -> None:
    liar = image(metadata={"name": "sha256:x"}, dockerImageManifest="\ud800")
    assert len(liar.contradictions) == 1


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


@given(BLOBS.filter(bool), st.integers(1, 2**42))
def test_contradiction_needs_an_understated_size(blobs: list[tuple[str, int]], claim: int) -> None:
    claimant = image(
        dockerImageMetadata={"Size": claim}, dockerImageLayers=[layer(*blob) for blob in blobs]
    )
    assert bool(claimant.contradictions) == (claim < (claimant.measured_size or 0))
