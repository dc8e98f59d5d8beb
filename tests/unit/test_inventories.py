"""Which namespaces of a cluster `usage` and `audit` read."""

from collections.abc import Collection, Sequence

import pytest

from app.cluster.api import Content, ForbiddenError, Query
from app.config.settings import Settings
from app.reporting.inventories import NoNamespaceError, opened
from tests.unit.listed_cluster import ListedCluster, find

NAMESPACES = "/api/v1/namespaces"
LISTS = (
    "/api/v1{}/limitranges",
    "/api/v1{}/resourcequotas",
    "/apis/image.alauda.io/v1{}/imagestreams",
)
LEDGERS = f"{NAMESPACES}/registry-admission/configmaps"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> ListedCluster:
    """It has the namespace team-a, and no objects in any."""
    places = ("", "/namespaces/team-a", "/namespaces/new")
    names = [{"metadata": {"name": "team-a"}}]
    fake = ListedCluster({NAMESPACES: names, LEDGERS: []})
    fake.lists.update((path.format(place), []) for path in LISTS for place in places)
    find(fake, monkeypatch)
    return fake


async def read(
    namespaces: Sequence[str], *, proposed: Collection[str] = (), labels: str = ""
) -> None:
    async with opened(Settings(), None, namespaces, proposed=proposed, labels=labels):
        pass


@pytest.mark.parametrize(
    ("namespaces", "proposed"),
    [
        pytest.param([], (), id="all"),
        pytest.param(["team-a"], (), id="one that exists"),
        pytest.param(["new"], ("new",), id="one that proposed limits are for"),
    ],
)
async def test_named_namespaces_are_read(
    cluster: ListedCluster, namespaces: list[str], proposed: tuple[str, ...]
) -> None:
    await read(namespaces, proposed=proposed)

    place = f"/namespaces/{namespaces[0]}" if namespaces else ""
    assert {path.format(place) for path in LISTS} <= set(cluster.asked)


@pytest.mark.parametrize(
    ("namespaces", "labels", "problem"),
    [
        pytest.param(["new"], "", "the cluster has no namespace new", id="none of this name"),
        pytest.param(["a/b"], "", "'a/b' is not the name of a namespace", id="no name at all"),
        pytest.param([], "team=b", "no namespace has the labels team=b", id="none with labels"),
    ],
)
async def test_namespace_that_does_not_exist_is_named(
    cluster: ListedCluster, namespaces: list[str], labels: str, problem: str
) -> None:
    cluster.lists[NAMESPACES] = [] if labels else cluster.lists[NAMESPACES]

    with pytest.raises(NoNamespaceError, match=problem):
        await read(namespaces, labels=labels)


async def test_tenant_without_the_right_to_get_namespaces_reads_the_own_one(
    cluster: ListedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tenant(ListedCluster):
        async def get(self, path: str, query: Query | None = None) -> Content:
            if path == f"{NAMESPACES}/new":
                raise ForbiddenError(403, f"GET {path}: forbidden")
            return await super().get(path, query)

    tenant = Tenant(cluster.lists)
    find(tenant, monkeypatch)
    await read(["new"])

    assert tenant.asked["/api/v1/namespaces/new/limitranges"] == 1
