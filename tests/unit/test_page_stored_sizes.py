"""The bytes that images store are read in the background, and each layer counts once."""

import pytest

from app.cluster.api import ApiError
from app.model.image import StoredImage
from app.page.stored_sizes import MOST_BLOBS, StoredSizes
from app.quota.digests import pack
from app.reporting.stored_bytes import StoredBytes
from tests.unit.stores import FakeState

HOUR = 3600.0


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


A, B, C, INDEX, GONE = (digest(letter) for letter in "abcde")


class Cluster:
    """Two namespaces that share a base layer, and a log of requests to the Image API."""

    def __init__(self, capacity: int = 100) -> None:
        self.state = FakeState()
        self.now = 0.0
        self.images: dict[str, StoredImage] = {
            A: StoredImage({"base": 100, "a": 1}),
            B: StoredImage({"base": 100, "b": 2}),
            C: StoredImage({"base": 100, "c": 4}),
            INDEX: StoredImage({}, (B, C)),
        }
        self.asked: list[str] = []
        self.down = False
        self.broken: set[str] = set()
        self.sizes = StoredSizes(
            self.state, lambda: self.state.index, self._read, capacity, lambda: self.now
        )
        self.state.store("team-a", "app", {"v1": (A,), "v2": (B,)})
        self.state.store("team-a", "web", {"v1": (A,)})
        self.state.store("team-b", "all", {"v1": (INDEX,), "v2": (GONE,)})

    async def _read(self, image: str) -> StoredImage | None:
        self.asked.append(image)
        if self.down:
            raise ApiError(503, "the Image API is away")
        if image in self.broken:
            raise ApiError(500, f"{image} cannot be decoded")
        return self.images.get(image)

    def of(self, namespace: str) -> StoredBytes:
        return self.sizes.of_namespace(namespace, self.state.usage(namespace).image_count)


async def test_shared_layers_count_once_and_unknown_images_are_counted() -> None:
    cluster = Cluster()
    assert cluster.of("team-a") == StoredBytes(0, 2)
    await cluster.sizes.round()

    assert cluster.of("team-a") == StoredBytes(103, 0)
    assert cluster.of("team-b") == StoredBytes(106, 1)
    assert await cluster.sizes.of([pack(A)]) == StoredBytes(101, 0)


async def test_an_image_is_read_once_and_an_absent_one_again_after_an_hour() -> None:
    cluster = Cluster()
    await cluster.sizes.round()
    await cluster.sizes.round()
    assert sorted(cluster.asked) == sorted([A, B, C, INDEX, GONE])

    cluster.images[GONE] = StoredImage({"late": 8})
    cluster.now = HOUR + 1
    await cluster.sizes.round()
    assert cluster.asked[5:] == [GONE]
    assert cluster.of("team-b") == StoredBytes(114, 0)


async def test_an_index_with_an_image_that_is_not_known_is_unknown() -> None:
    cluster = Cluster()
    del cluster.images[C]
    await cluster.sizes.round()

    assert cluster.of("team-b") == StoredBytes(0, 2)


async def test_memory_is_bounded_and_the_rest_is_unknown() -> None:
    cluster = Cluster(capacity=1)
    await cluster.sizes.round()

    assert len(cluster.asked) == 1
    assert cluster.of("team-a").unknown == 1


async def test_an_image_of_too_many_blobs_is_unknown_alone() -> None:
    cluster = Cluster()
    cluster.images[B] = StoredImage({f"layer-{number}": 1 for number in range(MOST_BLOBS + 1)})
    await cluster.sizes.round()

    assert cluster.of("team-a") == StoredBytes(101, 1)


async def test_an_index_whose_images_have_too_many_blobs_together_is_unknown() -> None:
    cluster = Cluster()
    for image in (B, C):
        cluster.images[image] = StoredImage(
            {f"{image}-{number}": 1 for number in range(MOST_BLOBS // 2)}
        )
    await cluster.sizes.round()

    assert cluster.of("team-b") == StoredBytes(0, 2)
    assert (await cluster.sizes.of([pack(B), pack(C)])).unknown == 0


async def test_blobs_of_all_images_together_are_bounded() -> None:
    cluster = Cluster(capacity=2)
    for image in (A, B, C):
        cluster.images[image] = StoredImage({f"{image}-{number}": 1 for number in range(40)})
    await cluster.sizes.round()

    assert len(cluster.asked) == 1


async def test_images_that_nothing_refers_to_are_forgotten() -> None:
    cluster = Cluster()
    await cluster.sizes.round()
    cluster.state.index.put("team-b", "all", None)
    await cluster.sizes.round()

    assert await cluster.sizes.of([pack(INDEX)]) == StoredBytes(0, 1)
    assert await cluster.sizes.of([pack(C)]) == StoredBytes(0, 1)
    assert cluster.of("team-a") == StoredBytes(103, 0)


async def test_an_image_that_is_answered_with_an_error_is_unknown_and_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster()
    cluster.broken = {A}
    for _ in range(3):
        await cluster.sizes.round()

    assert cluster.of("team-a") == StoredBytes(102, 1)
    assert cluster.of("team-b") == StoredBytes(106, 1)
    [record] = caplog.records
    assert getattr(record, "problem", "") == f"{A} cannot be decoded"

    cluster.broken, cluster.now = set(), 601.0
    await cluster.sizes.round()
    assert cluster.of("team-a") == StoredBytes(103, 0)
    assert cluster.asked.count(A) == 2


async def test_many_errors_in_a_row_end_a_round_and_keep_known_sizes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster()
    await cluster.sizes.round()
    cluster.down, asked = True, len(cluster.asked)
    late: dict[str, tuple[str, ...]] = {
        f"v{number}": (f"sha256:{number:064}",) for number in range(50)
    }
    cluster.state.store("team-a", "late", late)
    await cluster.sizes.round()

    assert cluster.of("team-a") == StoredBytes(103, 50)
    assert cluster.of("team-b") == StoredBytes(106, 1)
    assert len(cluster.asked) == asked + 20
    assert [getattr(record, "images", 0) for record in caplog.records] == [20]

    await cluster.sizes.round()
    assert len(cluster.asked) == asked + 40

    cluster.down = False
    await cluster.sizes.round()
    assert len(cluster.asked) == asked + 50
