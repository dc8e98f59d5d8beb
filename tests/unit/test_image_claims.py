"""A request's statement about an image is compared with its digest and with the registry."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from app.admission.image_lookups import ImageSizeUnknownError
from app.model.image import Image, ImageClaim
from app.quota.state import StateUnavailableError
from tests.unit.pushes import Pushes, blob, digest_of, image, index, pushed
from tests.unit.reviews import REGISTRY, causes, decide, service


def mapping(manifest: bytes, **content: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "app"},
        "tag": "v2",
        "image": {"metadata": {"name": digest_of(manifest)}, **content},
    }


def asking(stored: dict[str, ImageClaim], broken: bool = False) -> tuple[Pushes, list[str]]:
    """A service whose registry stores some images or does not respond, with a log of requests."""
    pushes = service()
    asked: list[str] = []

    async def registry_image(repository: str, digest: str) -> ImageClaim | None:
        asked.append(f"{repository}@{digest}")
        if broken:
            raise ImageSizeUnknownError("502")
        return stored.get(digest)

    pushes.admission = replace(pushes.admission, registry_image=registry_image)
    return pushes, asked


def claim_of(manifest: bytes) -> ImageClaim:
    return ImageClaim.of_manifest(pushed(manifest))


LARGE, TINY = image(5000), image(10)
INDEX = index(TINY, LARGE)
CACHE = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            {**blob("layer", 5000), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"},
            {**blob("cache", 1), "mediaType": "application/vnd.buildkit.cacheconfig.v0"},
        ],
    }
).encode()
CLAIM = {"dockerImageMetadata": {"Size": 1}}
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DISGUISED = json.dumps(
    {"schemaVersion": 2, "config": blob("c", 1), "layers": [], "Layers": [blob("layer", 10**12)]}
).encode()


@pytest.mark.parametrize(
    ("content", "stored", "causes_given"),
    [
        pytest.param(CLAIM, LARGE, ["ImageTooLarge"], id="a small claim"),
        pytest.param(
            {"dockerImageManifest": TINY.decode(), "dockerImageManifestMediaType": SCHEMA_1},
            LARGE,
            ["ImageContradictsItself", "ImageTooLarge"],
            id="a small manifest that is said to be of schema 1",
        ),
        pytest.param(
            {
                **CLAIM,
                "dockerImageManifest": '{"schemaVersion": 1}',
                "dockerImageManifestMediaType": SCHEMA_1,
            },
            LARGE,
            ["ImageTooLarge"],
            id="a text of schema 1",
        ),
        pytest.param(
            {"dockerImageManifests": [{"digest": digest_of(TINY)}]}, LARGE, ["ImageTooLarge"],
            id="children that are small",
        ),
        pytest.param(CLAIM, TINY, [], id="a small image"),
        pytest.param(CLAIM, None, [], id="an image that the registry does not have"),
        pytest.param({}, None, ["ImageSizeUnknown"], id="nothing said by anyone"),
        pytest.param(
            {"dockerImageManifests": [{}]}, None, ["ImageSizeUnknown"], id="a child with no digest"
        ),
    ],
)  # fmt: skip
async def test_size_in_a_request_is_held_against_the_registry(
    content: dict[str, Any], stored: bytes | None, causes_given: list[str]
) -> None:
    known = {} if stored is None else {digest_of(LARGE): claim_of(stored)}
    pushes, asked = asking({**known, digest_of(TINY): claim_of(TINY)})

    verdict = await decide(pushes, "ImageStreamMapping", mapping(LARGE, **content))

    assert causes(verdict) == causes_given
    assert asked[0] == f"team-a/app@{digest_of(LARGE)}"


async def test_ambiguous_manifest_proves_no_size() -> None:
    pushes, asked = asking({digest_of(DISGUISED): ImageClaim("", 10**12, proven=True)})
    content = mapping(DISGUISED, dockerImageManifest=DISGUISED.decode(), **CLAIM)

    assert causes(await decide(pushes, "ImageStreamMapping", content)) == [
        "ImageContradictsItself",
        "ImageTooLarge",
    ]
    assert len(asked) == 1


@pytest.mark.parametrize("said_by", ["request", "Image API"])
@pytest.mark.parametrize(
    ("host", "refused"),
    [pytest.param(REGISTRY, True, id="ours"), pytest.param("quay.io", False, id="another")],
)
async def test_size_is_held_against_the_repository_that_is_said_to_have_the_image(
    said_by: str, host: str, refused: bool
) -> None:
    """The registry does not have the image in the stream yet, and pulls it through."""
    asked: list[str] = []

    async def registry_image(repository: str, digest: str) -> ImageClaim | None:
        asked.append(repository)
        return claim_of(LARGE) if repository == "team-b/origin" else None

    pushes = service()
    pushes.admission = replace(pushes.admission, registry_image=registry_image)
    digest = digest_of(LARGE)
    word = {"dockerImageReference": f"{host}/team-b/origin@{digest}"}
    if said_by == "Image API":
        pushes.state.images[digest] = Image.model_validate(
            {"metadata": {"name": digest}, **CLAIM, **word}
        ).claim
        word = {}

    verdict = await decide(pushes, "ImageStreamMapping", mapping(LARGE, **CLAIM, **word))

    assert causes(verdict) == ["ImageTooLarge"] * refused
    assert asked == ["team-a/app", "team-b/origin"][: 1 + refused]


async def test_size_of_a_stored_image_is_held_against_the_registry() -> None:
    """A user may have created the Image by hand, in a namespace without a limit."""
    pushes, _ = asking({digest_of(LARGE): claim_of(LARGE)})
    pushes.state.sizes[digest_of(LARGE)] = 5

    for content in (mapping(LARGE), mapping(LARGE, **CLAIM)):
        assert causes(await decide(pushes, "ImageStreamMapping", content)) == ["ImageTooLarge"]


async def test_stored_image_with_a_proven_size_is_enough() -> None:
    pushes, asked = asking({})
    pushes.state.images[digest_of(TINY)] = claim_of(TINY)

    assert (await decide(pushes, "ImageStreamMapping", mapping(TINY))).allowed
    assert asked == []


async def test_unproven_sizes_are_unknown_without_the_registry() -> None:
    pushes, _ = asking({}, broken=True)
    pushes.state.sizes[digest_of(LARGE)] = 5

    verdict = await decide(pushes, "ImageStreamMapping", mapping(LARGE, **CLAIM))

    assert causes(verdict) == ["ImageSizeUnknown"]


@pytest.mark.parametrize("manifest", [image(10), index(), index(index())])
async def test_proven_size_needs_no_registry(manifest: bytes) -> None:
    pushes, asked = asking({digest_of(index()): claim_of(index())})
    content = mapping(manifest, dockerImageManifest=manifest.decode())

    assert (await decide(pushes, "ImageStreamMapping", content)).allowed
    assert f"team-a/app@{digest_of(manifest)}" not in asked


@pytest.mark.parametrize("known_by", ["Image API", "registry"])
@pytest.mark.parametrize(
    ("manifest", "causes_given"),
    [
        pytest.param(index(TINY), [], id="small images"),
        pytest.param(INDEX, ["ImageTooLarge"], id="a large image"),
        pytest.param(index(index(LARGE)), ["ImageTooLarge"], id="a large image in an inner index"),
        pytest.param(index(TINY, image(7)), ["ImageSizeUnknown"], id="an image that nobody knows"),
        pytest.param(CACHE, ["ImageTooLarge"], id="layers"),
    ],
)
async def test_every_image_of_an_index_is_held_against_the_limit(
    manifest: bytes, causes_given: list[str], known_by: str
) -> None:
    known = {digest_of(each): claim_of(each) for each in (TINY, LARGE, INDEX, index(LARGE))}
    pushes, _ = asking(known if known_by == "registry" else {})
    pushes.state.images = known if known_by == "Image API" else {}
    content = mapping(manifest, dockerImageManifest=manifest.decode())

    assert causes(await decide(pushes, "ImageStreamMapping", content)) == causes_given


@pytest.mark.parametrize("listed_by", ["request", "Image API", "registry"])
async def test_index_counts_children_of_every_source(listed_by: str) -> None:
    large = ImageClaim(digest_of(LARGE), 5000)
    pushes, _ = asking({digest_of(INDEX): claim_of(INDEX)} if listed_by == "registry" else {})
    pushes.state.images = {large.digest: large, digest_of(TINY): ImageClaim(digest_of(TINY), 10)}
    if listed_by == "Image API":
        pushes.state.images[digest_of(INDEX)] = ImageClaim(digest_of(INDEX), 0, (large.digest,))
    listed = [{"digest": large.digest}] if listed_by == "request" else []

    verdict = await decide(
        pushes, "ImageStreamMapping", mapping(INDEX, dockerImageManifests=listed, **CLAIM)
    )

    assert causes(verdict) == ["ImageTooLarge"]
    assert f"image {large.digest} (listed by image {digest_of(INDEX)}" in str(verdict.violations)


def disguised_index(*children: bytes, layers: int = 0) -> bytes:
    """An index that lists images as layers."""
    listed = [{**blob("", 1), "digest": digest_of(child)} for child in children]
    listed += [blob(f"layer {number}", 0) for number in range(layers)]
    return json.dumps({"schemaVersion": 2, "manifests": listed}).encode()


@pytest.mark.parametrize(
    ("manifest", "causes_given"),
    [
        pytest.param(disguised_index(LARGE), ["ImageTooLarge"], id="a large image"),
        pytest.param(disguised_index(INDEX), ["ImageTooLarge"], id="an index"),
        pytest.param(index(disguised_index(LARGE)), ["ImageTooLarge"], id="below an index"),
        pytest.param(disguised_index(TINY), [], id="a small image"),
        pytest.param(disguised_index(layers=9), [], id="layers"),
        pytest.param(disguised_index(layers=2001), ["ImageSizeUnknown"], id="too many to ask for"),
    ],
)
@pytest.mark.parametrize("sizes_by", ["registry", "Image API"])
async def test_an_index_entry_listed_as_a_layer_is_an_image_if_an_image_is_stored(
    manifest: bytes, causes_given: list[str], sizes_by: str
) -> None:
    """CRI-O pulls such an entry, whatever its media type."""
    images = (TINY, LARGE, INDEX, disguised_index(LARGE))
    known = {digest_of(each): claim_of(each) for each in images}
    pushes, _ = asking(known)
    words = {digest: replace(claim, size=1, proven=False) for digest, claim in known.items()}
    pushes.state.images = known if sizes_by == "Image API" else words
    content = mapping(manifest, dockerImageManifest=manifest.decode())

    assert causes(await decide(pushes, "ImageStreamMapping", content)) == causes_given


async def test_registry_is_not_asked_for_layers_that_an_index_lists() -> None:
    pushes, asked = asking({})

    await decide(pushes, "ImageStreamMapping", mapping(CACHE, dockerImageManifest=CACHE.decode()))

    assert asked == []


async def never(*_image: str) -> ImageClaim | None:
    return await asyncio.Future[ImageClaim | None]()


@pytest.mark.parametrize("hangs", ["registry", "Image API"])
async def test_a_size_that_is_not_known_in_time_refuses_nothing_for_good(hangs: str) -> None:
    pushes = service()
    if hangs == "registry":
        pushes.admission = replace(pushes.admission, registry_image=never)
    else:
        pushes.state.image = never  # type: ignore[assignment]
    sent = mapping(LARGE, **CLAIM)

    with pytest.raises(StateUnavailableError, match="not known after"):
        await decide(pushes, "ImageStreamMapping", sent, within=0.2)

    pushes.admission = replace(pushes.admission, unknown_size="warn")
    verdict = await decide(pushes, "ImageStreamMapping", sent, within=0.2)
    assert verdict.allowed
    assert "is unknown" in verdict.warnings[0]
