"""The bytes that images store together, read from a cluster."""

import pytest

from app.model.domain import ApiDomain
from app.reporting.size_collector import SizeCollector
from app.reporting.stored_bytes import StoredBytes, stored_bytes, with_children
from tests.unit.listed_cluster import ListedCluster

IMAGES = "/apis/image.alauda.io/v1/images"


def image(name: str, **layers: int) -> dict[str, object]:
    return {
        "metadata": {"name": name},
        "dockerImageLayers": [{"name": layer, "size": size} for layer, size in layers.items()],
    }


@pytest.mark.parametrize(
    ("digests", "stored"),
    [
        ([], StoredBytes(0, 0)),
        (["sha256:a"], StoredBytes(12, 0)),
        (["sha256:a", "sha256:b"], StoredBytes(15, 0)),
        (["sha256:a", "sha256:none"], StoredBytes(12, 1)),
    ],
)
async def test_shared_layers_count_once(digests: list[str], stored: StoredBytes) -> None:
    cluster = ListedCluster(
        {IMAGES: [image("sha256:a", base=10, one=2), image("sha256:b", base=10, two=3)]}
    )
    sizes = SizeCollector(cluster, ApiDomain())
    sizes.keeps_blobs = True
    assert stored_bytes(digests, await sizes.blobs(digests)) == stored


async def test_layers_are_not_kept_unless_they_are_asked_for() -> None:
    sizes = SizeCollector(ListedCluster({IMAGES: [image("sha256:a", base=10)]}), ApiDomain())
    assert await sizes.of(["sha256:a"]) == {"sha256:a": 10}
    assert await sizes.blobs(["sha256:a"]) == {}


def test_an_index_is_known_if_all_that_it_lists_is() -> None:
    own = {"index": {}, "half": {}, "outer": {}, "empty": {}, "a": {"layer": 1}}
    children = {"index": ("a",), "half": ("a", "b"), "outer": ("index",), "empty": ()}
    assert with_children(own, children) == {
        "index": {"layer": 1}, "outer": {"layer": 1}, "a": {"layer": 1}
    }  # fmt: skip
