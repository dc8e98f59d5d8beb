"""Images that are read from the internal registry by digest, and kept within bounds."""

import asyncio

import httpx
import pytest

from app.admission.image_lookups import ImageSizeUnknownError
from app.model.image import ImageClaim
from app.registry.sizes import RegistryImages
from tests.unit.pushes import digest_of, image, index, pushed
from tests.unit.test_registry_client import DIGEST, client, manifest_answer


async def test_size_is_read_once_and_from_allowed_registries_only() -> None:
    asked = 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return manifest_answer(request)

    images = RegistryImages(client(handler))
    names = ("team-a/app", DIGEST)

    known = ImageClaim(DIGEST, 100, proven=True)
    assert await asyncio.gather(*(images.of(*names) for _ in range(10))) == [known] * 10
    assert await images.of(*names) == known
    other = digest_of(b"other")
    assert await images.of("team-a/../../app", other) is None
    assert asked == 1


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(image(1), [image(2), image(3)], True, id="room for three images"),
        pytest.param(image(1), [image(2), image(3), image(4)], False, id="a fourth image"),
        pytest.param(index(image(1)), [image(2)], True, id="room for what an index lists"),
        pytest.param(index(image(1)), [image(2), image(3)], False, id="no room for it"),
        pytest.param(image(1), [index(image(2), image(3))], False, id="an index in its place"),
        pytest.param(index(image(1), image(2), image(3)), [], False, id="too large at all"),
    ],
)
async def test_size_cache_is_bounded_by_the_digests_in_it(
    first: bytes, second: list[bytes], kept: bool
) -> None:
    manifests = {digest_of(content): content for content in (first, *second)}
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2])
        content = manifests[asked[-1]]
        headers = {"Content-Type": pushed(content).media_type}
        return httpx.Response(200, content=content, headers=headers)

    images = RegistryImages(client(handler), capacity=3)
    for digest in (*manifests, digest_of(first)):
        await images.of("team-a/app", digest)

    assert asked == [*manifests, *([] if kept else [digest_of(first)])]


async def test_missing_image_is_asked_for_again_after_seconds() -> None:
    asked, now = 0, 0.0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(404) if asked == 1 else manifest_answer(request)

    images = RegistryImages(client(handler), clock=lambda: now)
    assert await images.of("team-a/app", DIGEST) is None
    assert await images.of("team-a/app", DIGEST) is None
    now = 10.0
    assert await images.of("team-a/app", DIGEST) == ImageClaim(DIGEST, 100, proven=True)
    assert asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(502), id="an error"),
        pytest.param(httpx.Response(200, content=b"{}"), id="no manifest"),
        pytest.param(httpx.Response(200, content=image(5)), id="another manifest"),
    ],
)
async def test_answer_without_a_size_is_unknown(answer: httpx.Response) -> None:
    images = RegistryImages(client(lambda _: answer))

    with pytest.raises(ImageSizeUnknownError):
        await images.of("team-a/app", DIGEST)
