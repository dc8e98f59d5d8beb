"""Reading a cluster for `usage` and `audit`."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from app.cluster.api import ApiError, Content, ForbiddenError, GoneError, Query
from app.cluster.heartbeat import NAME as HEARTBEAT
from app.cluster.ledger_format import encode
from app.quota.in_flight import InFlight, StreamInFlight
from app.quota.ledger import Ledger, Reservation
from app.quota.members import Members
from app.reporting.size_collector import SizeCollector
from app.reporting.usage_collector import UsageCollector
from tests.unit.listed_cluster import ListedCluster
from tests.unit.stores import DOMAIN

SERVICE = "registry-admission"
STREAMS, IMAGES = "/apis/image.alauda.io/v1/imagestreams", "/apis/image.alauda.io/v1/images"
RANGES, QUOTAS = "/api/v1/limitranges", "/api/v1/resourcequotas"
LEDGERS = f"/api/v1/namespaces/{SERVICE}/configmaps"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def created(number: int) -> str:
    return f"2026-01-{number % 28 + 1:02}T00:00:00Z"


def stream(namespace: str, name: str, **tags: int) -> dict[str, Any]:
    """An ImageStream with tags and the numbers of their images, pushed in January."""
    history = [
        {"tag": tag, "items": [{"image": digest(number), "created": created(number)}]}
        for tag, number in tags.items()
    ]
    return {
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": "1"},
        "status": {"tags": history},
    }


def image(number: int, size: int) -> dict[str, Any]:
    return {"metadata": {"name": digest(number)}, "dockerImageMetadata": {"Size": size}}


def quota(namespace: str, tags: int) -> dict[str, Any]:
    hard = {"alauda.io/image-tags": str(tags)}
    return {"metadata": {"namespace": namespace, "name": "quota"}, "spec": {"hard": hard}}


def ledger(namespace: str, *members: Members) -> dict[str, Any]:
    now = time.time()
    rows = Ledger(Reservation(str(i), m, now + 60) for i, m in enumerate(members))
    return {
        "metadata": {
            "namespace": SERVICE,
            "name": f"ledger-{namespace}",
            "resourceVersion": "3",
            "labels": {"registry-admission/ledger": "true"},
        },
        "data": {"namespace": namespace, **encode(rows)},
    }


@pytest.fixture
def cluster() -> ListedCluster:
    return ListedCluster(
        {
            RANGES: [],
            QUOTAS: [quota("team-a", 5), quota("team-c", 1)],
            STREAMS: [
                stream(SERVICE, HEARTBEAT),
                stream("team-a", "app", v1=1, v2=2),
                stream("team-b", "web", v1=3),
            ],
            IMAGES: [image(1, 10), image(2, 20), image(3, 30)],
            LEDGERS: [ledger("team-a", Members(tags=frozenset({("app", "v3")})))],
        }
    )


async def collector(cluster: ListedCluster, *namespaces: str) -> UsageCollector:
    found = UsageCollector(cluster, DOMAIN, service_namespace=SERVICE, namespaces=namespaces)
    await found.read()
    return found


async def test_heartbeat_is_left_out_of_the_cluster(cluster: ListedCluster) -> None:
    read = await collector(cluster)
    assert read.namespaces() == ["team-a", "team-b", "team-c"]
    assert read.usage("team-a").tag_count == 2
    assert read.limits("team-c").quotas[0].source == "quota"
    assert [item.metadata.name for item in read.quotas("team-a")] == ["quota"]
    assert read.pushed("team-a") == {
        ("app", "v1"): datetime(2026, 1, 2, tzinfo=UTC),
        ("app", "v2"): datetime(2026, 1, 3, tzinfo=UTC),
    }
    assert await read.in_flight("team-a") == InFlight(1, 0, 0, 1, {"app": StreamInFlight(0, 1)})
    assert await read.in_flight("team-b") == InFlight()
    assert read.notes() == []
    assert cluster.asked[IMAGES] == 0


async def test_only_the_given_namespaces_are_read(cluster: ListedCluster) -> None:
    inside = "/apis/image.alauda.io/v1/namespaces/team-b/imagestreams"
    core = "/api/v1/namespaces/team-b"
    cluster.lists = {
        inside: [stream("team-b", "web", v1=3)],
        f"{core}/limitranges": [],
        f"{core}/resourcequotas": [],
        LEDGERS: [],
    }
    read = await collector(cluster, "team-b")
    assert read.namespaces() == ["team-b"]
    assert read.usage("team-b").tag_count == 1
    assert set(cluster.asked) == set(cluster.lists)


async def test_forbidden_ledgers_are_noted(cluster: ListedCluster) -> None:
    cluster.forbidden = {LEDGERS}
    read = await collector(cluster)
    assert await read.in_flight("team-a") is None
    assert read.notes() == [f"reservations in flight are not readable: GET {LEDGERS}: forbidden"]


async def test_forbidden_streams_are_an_error(cluster: ListedCluster) -> None:
    cluster.forbidden = {STREAMS}
    with pytest.raises(ForbiddenError):
        await collector(cluster)


async def test_a_cluster_without_the_image_api_says_so(cluster: ListedCluster) -> None:
    del cluster.lists[STREAMS]
    with pytest.raises(ApiError, match=r"does not serve image.alauda.io/v1: is the API domain"):
        await collector(cluster)


async def test_expired_list_is_read_again(cluster: ListedCluster) -> None:
    cluster.lists[STREAMS] = [stream("team-a", f"app-{i}", v1=i) for i in range(1200)]
    cluster.forgotten = {STREAMS}
    read = await collector(cluster)
    assert read.usage("team-a").stream_count == 1200
    assert cluster.asked[STREAMS] == 2 + 3


async def test_list_that_always_expires_is_an_error(cluster: ListedCluster) -> None:
    class Forgetful(ListedCluster):
        def _page(self, path: str, query: Any) -> Any:
            self.forgotten = {STREAMS}
            return super()._page(path, query)

    lists = {**cluster.lists, STREAMS: [stream("a", f"app-{i}") for i in range(501)]}
    with pytest.raises(GoneError):
        await collector(Forgetful(lists))


async def test_few_sizes_are_read_once_by_name(cluster: ListedCluster) -> None:
    read = await collector(cluster)
    await read.expect_sizes(3)
    wanted = [digest(1), digest(2), digest(9), "no/name"]
    assert await read.sizes(wanted) == {digest(1): 10, digest(2): 20}
    assert await read.sizes(wanted) == {digest(1): 10, digest(2): 20}
    assert cluster.asked[f"{IMAGES}/{digest(1)}"] == 1
    assert cluster.asked[f"{IMAGES}/{digest(9)}"] == 1
    assert cluster.asked[IMAGES] == 0


async def test_an_index_is_as_large_as_the_largest_image_that_it_lists(
    cluster: ListedCluster,
) -> None:
    listed = [{"digest": digest(1)}, {"digest": digest(2)}]
    index = {"metadata": {"name": digest(7)}, "dockerImageManifests": listed}
    images = [*cluster.lists[IMAGES], index]
    read = await collector(ListedCluster({**cluster.lists, IMAGES: images}))

    assert await read.sizes([digest(7)]) == {digest(7): 20}


async def test_a_size_that_an_image_only_claims_is_read_again_after_minutes() -> None:
    now = 0.0
    claimed, absent = image(1, 10), digest(2)
    cluster = ListedCluster({IMAGES: [claimed]})
    sizes = SizeCollector(cluster, DOMAIN, clock=lambda: now)
    assert await sizes.of([digest(1), absent]) == {digest(1): 10}

    cluster.lists[IMAGES] = [image(1, 5000), image(2, 20)]
    assert await sizes.of([digest(1), absent]) == {digest(1): 10}
    now += 301
    assert await sizes.of([digest(1), absent]) == {digest(1): 5000, absent: 20}


async def test_many_sizes_are_read_from_one_list(cluster: ListedCluster) -> None:
    cluster.lists[IMAGES] = [image(i, i + 1) for i in range(1000)]
    read = await collector(cluster)
    await read.expect_sizes(900)
    wanted = [digest(i) for i in range(900)]
    assert await read.sizes(wanted) == {digest(i): i + 1 for i in range(900)}
    assert cluster.asked.keys() & {f"{IMAGES}/{name}" for name in wanted} == set()


async def test_images_missing_from_an_expired_list_are_read_by_name(
    cluster: ListedCluster,
) -> None:
    cluster.lists[IMAGES] = [image(i, i + 1) for i in range(600)]
    cluster.forgotten = {IMAGES}
    read = await collector(cluster)
    await read.expect_sizes(600)
    wanted = [digest(i) for i in range(600)]
    assert len(await read.sizes(wanted)) == 600
    assert cluster.asked[IMAGES] == 2


@pytest.mark.parametrize("count", [1, 1000])
async def test_an_image_that_is_answered_with_an_error_stops_no_other(
    cluster: ListedCluster, count: int
) -> None:
    cluster.broken = {f"{IMAGES}/{digest(1)}"}
    read = await collector(cluster)
    await read.expect_sizes(count)
    assert await read.sizes([digest(1), digest(2)]) == {digest(2): 20}
    assert read.notes() == [
        f"1 image size not readable: GET {IMAGES}/{digest(1)}: cannot be decoded"
    ]


@pytest.mark.parametrize("status", [0, 429, 503])
async def test_no_answer_about_images_is_an_error(cluster: ListedCluster, status: int) -> None:
    read = await collector(cluster)

    async def get(path: str, query: Query | None = None) -> Content:
        raise ApiError(status, "no answer")

    cluster.get = get  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="no answer"):
        await read.sizes([digest(1)])


@pytest.mark.parametrize("count", [1, 1000])
async def test_forbidden_sizes_are_noted(cluster: ListedCluster, count: int) -> None:
    cluster.forbidden = {IMAGES}
    read = await collector(cluster)
    await read.expect_sizes(count)
    assert await read.sizes([digest(1), digest(2)]) == {}
    [note] = read.notes()
    assert note.startswith("image sizes are not readable: GET ")
