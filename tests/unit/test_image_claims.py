"""What a request says of an image is held against its digest and against the registry."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.admission.image_kinds import RegistrySize
from tests.unit.pushes import Pushes, digest_of, image
from tests.unit.reviews import causes, decide, service


def mapping(manifest: bytes, **content: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "app"},
        "tag": "v2",
        "image": {"metadata": {"name": digest_of(manifest)}, **content},
    }


def asking(registry_size: RegistrySize) -> Pushes:
    pushes = service()
    pushes.admission = replace(pushes.admission, registry_size=registry_size)
    return pushes


MANIFEST = image(5000)
CLAIM = {"dockerImageMetadata": {"Size": 1}}


@pytest.mark.parametrize(
    ("content", "stored", "causes_given"),
    [
        pytest.param(CLAIM, 5000, ["ImageTooLarge"], id="a small claim"),
        pytest.param(
            {"dockerImageManifests": [{"digest": "sha256:none"}]}, 5000, ["ImageTooLarge"],
            id="children that would have no size of their own",
        ),
        pytest.param(CLAIM, 1000, [], id="a small image"),
        pytest.param(CLAIM, None, [], id="an image that the registry does not have"),
        pytest.param({}, None, ["ImageSizeUnknown"], id="nothing said by anyone"),
    ],
)  # fmt: skip
async def test_a_request_s_own_word_is_held_against_the_registry(
    content: dict[str, Any], stored: int | None, causes_given: list[str]
) -> None:
    asked = []

    async def registry_size(repository: str, digest: str) -> int | None:
        asked.append((repository, digest))
        return stored

    verdict = await decide(
        asking(registry_size), "ImageStreamMapping", mapping(MANIFEST, **content)
    )

    assert causes(verdict) == causes_given
    assert asked == [("team-a/app", digest_of(MANIFEST))]


async def test_a_size_that_the_digest_proves_is_asked_of_nobody() -> None:
    async def registry_size(repository: str, digest: str) -> int | None:
        raise AssertionError("asked")

    manifest = image(10)
    content = mapping(manifest, dockerImageManifest=manifest.decode())

    assert (await decide(asking(registry_size), "ImageStreamMapping", content)).allowed


async def test_a_registry_that_hangs_leaves_time_to_decide() -> None:
    async def registry_size(repository: str, digest: str) -> int | None:
        await asyncio.Event().wait()
        raise AssertionError("never")

    pushes = asking(registry_size)

    verdict = await decide(pushes, "ImageStreamMapping", mapping(MANIFEST, **CLAIM), within=0.5)

    assert verdict.allowed


LIE = {"dockerImageMetadata": {"Size": 5}, "dockerImageLayers": [{"name": "l", "size": 9}]}
WORSE = {"dockerImageMetadata": {"Size": 5}, "dockerImageLayers": [{"name": "l", "size": 99}]}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param(None, LIE, True, id="a new one"),
        pytest.param(LIE, LIE, False, id="a stored one that is labelled"),
        pytest.param(LIE, WORSE, True, id="a stored one that gets worse"),
    ],
)
async def test_an_image_that_contradicts_itself(
    before: dict[str, Any] | None, after: dict[str, Any], refused: bool
) -> None:
    verdict = await decide(service(), "Image", after, before)

    assert causes(verdict) == ["ImageContradictsItself"] * refused
    assert len(verdict.warnings) == (not refused)
