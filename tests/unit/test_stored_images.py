"""The sizes that stored Images state, and the time for which an answer is kept."""

import asyncio
from collections.abc import Collection
from typing import Any, cast

import pytest

from app.cluster.api import ApiError, Content, KubeApi, NotFoundError
from app.cluster.image_claims import ImageClaims, with_listed
from app.model.image import ImageClaim
from app.quota.state import StateUnavailableError
from tests.unit.pushes import digest_of, image
from tests.unit.stores import DOMAIN

MANIFEST = image(100)
DIGEST = digest_of(MANIFEST)


class Api:
    """Stores Images, counts requests, and records how many were open at once."""

    def __init__(self, **stored: Content) -> None:
        self.stored = {
            f"/apis/image.alauda.io/v1/images/{DIGEST}": each for each in stored.values()
        }
        self.error: ApiError | None = None
        self.asked = 0
        self.open = 0
        self.most = 0

    async def get(self, path: str) -> Content:
        self.asked += 1
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        if self.error:
            raise self.error
        if path not in self.stored:
            raise NotFoundError(404, path)
        return self.stored[path]


class Asked:
    def __init__(self, api: Api, **settings: Any) -> None:
        self.now = 100.0
        self.api = api
        self.images = ImageClaims(cast("KubeApi", api), DOMAIN, clock=lambda: self.now, **settings)


def stored(**fields: Any) -> Content:
    return {"metadata": {"name": DIGEST}, **fields}


CLAIMED = stored(dockerImageMetadata={"Size": 5})
PROVEN = stored(dockerImageManifest=MANIFEST.decode())


async def test_a_size_that_the_digest_proves_is_kept() -> None:
    asked = Asked(Api(image=PROVEN))

    for _ in range(3):
        assert await asked.images.of(DIGEST) == ImageClaim(DIGEST, 100, proven=True)
        asked.now += 3600
    assert asked.api.asked == 1


async def test_a_size_that_an_image_only_claims_is_read_again_after_seconds() -> None:
    asked = Asked(Api(image=CLAIMED))
    assert await asked.images.of(DIGEST) == ImageClaim(DIGEST, 5)
    asked.api.stored = Api(image=stored(dockerImageMetadata={"Size": 5000})).stored

    assert await asked.images.of(DIGEST) == ImageClaim(DIGEST, 5)
    asked.now += 4
    assert await asked.images.of(DIGEST) == ImageClaim(DIGEST, 5000)


@pytest.mark.parametrize(
    "content", [None, stored(dockerImageMetadata={"Size": "large"})], ids=["none", "unreadable"]
)
async def test_that_there_is_no_image_is_remembered_for_seconds(content: Content | None) -> None:
    asked = Asked(Api(**({"image": content} if content else {})))

    for _ in range(5):
        assert await asked.images.of(DIGEST) is None
    assert asked.api.asked == 1
    asked.now += 4
    asked.api.stored = Api(image=PROVEN).stored
    assert await asked.images.of(DIGEST) == ImageClaim(DIGEST, 100, proven=True)


async def test_an_error_is_not_remembered() -> None:
    asked = Asked(Api(image=PROVEN))
    asked.api.error = ApiError(500, "etcd is gone")
    with pytest.raises(StateUnavailableError, match="etcd is gone"):
        await asked.images.of(DIGEST)

    asked.api.error = None
    assert await asked.images.of(DIGEST) is not None


async def test_a_flood_of_digests_is_asked_for_a_few_at_a_time_and_forgotten() -> None:
    asked = Asked(Api(), capacity=100)

    await asyncio.gather(*(asked.images.of(f"sha256:{number}") for number in range(1000)))
    assert asked.api.most == 32
    assert len(asked.images._answers._kept) == 100


async def test_listed_images_are_looked_up_once_and_within_a_bound() -> None:
    lists = {"a": ("b", "c"), "b": ("c", "d"), "c": ("a",), "d": ()}
    asked: list[list[str]] = []

    async def ask(digests: Collection[str]) -> dict[str, ImageClaim]:
        asked.append(list(digests))
        return {digest: ImageClaim(digest, 1, lists[digest]) for digest in digests}

    root = {"a": ImageClaim("a", 0, lists["a"])}
    assert set(await with_listed(root, ask)) == set(lists)
    assert asked == [["b", "c"], ["d"]]
    assert set(await with_listed(root, ask, at_most=2)) == {"a", "b", "c"}
