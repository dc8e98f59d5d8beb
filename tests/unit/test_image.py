"""How large an image is by its own object, and whether that object contradicts itself."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.model.image import Image, read_manifest

MIB = 1024**2


def descriptor(digest: str, size: int) -> dict[str, Any]:
    return {"digest": f"sha256:{digest}", "size": size}


def image(**fields: Any) -> Image:
    return Image.model_validate(fields)


def layer(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "size": size}


def named_after(manifest: str) -> dict[str, str]:
    return {"name": "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()}


@pytest.mark.parametrize(
    ("manifest", "size"),
    [
        pytest.param(
            {"config": descriptor("c", 10), "layers": [descriptor("a", 100), descriptor("b", 50)]},
            160,
            id="layers and config",
        ),
        pytest.param(
            {"config": descriptor("c", 10), "layers": [descriptor("a", 100)] * 3},
            110,
            id="a layer listed three times is stored once",
        ),
        pytest.param(
            {"config": descriptor("a", 100), "layers": [descriptor("a", 100)]},
            100,
            id="a config that is also a layer is stored once",
        ),
        pytest.param(
            {"layers": [descriptor("a", 1), descriptor("a", 100)]},
            100,
            id="of two sizes of one blob the larger counts",
        ),
        pytest.param(
            {"layers": [{"size": 7}, {"size": 7}]}, 14, id="blobs without a digest all count"
        ),
        pytest.param({"config": descriptor("c", 10)}, 10, id="config only"),
        pytest.param(
            {"config": {"digest": "c"}, "layers": [{"digest": "a"}]}, 0, id="no size is zero"
        ),
        pytest.param({"config": descriptor("c", 10), "layers": []}, 10, id="no layers"),
        pytest.param(
            {"config": descriptor("c", 2), "layers": [descriptor("a", 5)], "subject": {}},
            7,
            id="an artifact with a subject",
        ),
        pytest.param(
            {"manifests": [descriptor("m", 1234)]}, 0, id="an index has no layers of its own"
        ),
        pytest.param({"manifests": []}, 0, id="an index of nothing"),
        pytest.param({"blobs": [descriptor("b", 9)]}, 9, id="an artifact"),
        pytest.param({"blobs": []}, 0, id="an artifact that only refers to its subject"),
        pytest.param(
            {"manifests": [descriptor("m", 1)], "layers": [descriptor("a", 100)]},
            100,
            id="an index that smuggles layers",
        ),
    ],
)
def test_size_of_a_manifest(manifest: dict[str, Any], size: int) -> None:
    read = read_manifest(json.dumps(manifest))
    assert read is not None
    assert read.size == size


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("no json", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="an empty object"),
        pytest.param('{"schemaVersion": 1, "fsLayers": [{"blobSum": "a"}]}', id="schema 1"),
        pytest.param('{"layers": [{"size": -1}]}', id="a negative size"),
        pytest.param('{"layers": [{"size": 9223372036854775808}]}', id="beyond 64 bits"),
        pytest.param('{"layers": [{"size": 1.5}]}', id="half a byte"),
        pytest.param('{"layers": {"size": 1}}', id="layers that are no list"),
        pytest.param('{"layers": [' + "1" * 5000 + "]}", id="a number without end"),
        pytest.param("[" * 100_000, id="nesting without end"),
        pytest.param('{"a":' * 100_000, id="objects without end"),
    ],
)
def test_other_text_has_no_known_size(text: str) -> None:
    assert read_manifest(text) is None


MANIFEST = json.dumps({"config": descriptor("c", 10), "layers": [descriptor("a", 100)]})
INDEX = json.dumps({"manifests": [descriptor("m", 5)]})


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
        pytest.param({"dockerImageManifest": MANIFEST}, 110, id="the embedded manifest"),
        pytest.param(
            {"dockerImageLayers": [layer("a", 1)], "dockerImageManifest": MANIFEST},
            110,
            id="the manifest where it names more",
        ),
        pytest.param(
            {"dockerImageLayers": [layer("a", 500)], "dockerImageManifest": MANIFEST},
            500,
            id="the layers where they name more",
        ),
        pytest.param(
            {"dockerImageLayers": [layer("a", 5)], "dockerImageManifest": "no json"},
            5,
            id="the layers where the manifest is unreadable",
        ),
        pytest.param({"dockerImageManifest": "no json"}, None, id="an unreadable manifest"),
        pytest.param({"dockerImageManifest": INDEX}, 0, id="an index by its manifest"),
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
def test_sizes_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
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
def test_honest_objects_do_not_contradict_themselves(fields: dict[str, Any]) -> None:
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


def test_every_contradiction_is_named() -> None:
    liar = image(dockerImageMetadata={"Size": 99}, dockerImageManifest=MANIFEST)
    assert len(liar.contradictions) == 2


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
    ],
)
def test_a_size_is_proven_by_the_digest_alone(fields: dict[str, Any], proven: bool) -> None:
    assert image(**fields).is_proven is proven


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
def test_a_claim_is_doubted_only_when_it_hides_something(
    blobs: list[tuple[str, int]], claim: int
) -> None:
    claimant = image(
        dockerImageMetadata={"Size": claim}, dockerImageLayers=[layer(*blob) for blob in blobs]
    )
    assert bool(claimant.contradictions) == (claim < (claimant.measured_size or 0))


@given(st.text())
def test_any_text_has_a_size_or_none(text: str) -> None:
    read = read_manifest(text)
    assert read is None or read.size >= 0
