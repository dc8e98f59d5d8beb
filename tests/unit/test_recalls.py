"""A replica recalls the escrows of others through an API server, as often as it needs them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.admission.enforcer import Enforcer
from app.admission.escrows import _COOL
from app.cluster.api import Content
from app.cluster.ledgers import KubernetesLedgers
from app.model.limits import NamespaceLimits
from app.quota.ledger import Ledger
from app.quota.state import NamespaceView, StateUnavailableError
from tests.unit.kube import FakeKube
from tests.unit.stores import DOMAIN, FakeState, quota
from tests.unit.test_escrows import TIMING, tag

OWN = "registry-admission"


class Watched(FakeKube):
    """Tells replicas of each change of the ledger."""

    def __init__(self) -> None:
        super().__init__(1000.0)
        self.watching: list[KubernetesLedgers] = []

    def _put(self, path: str, content: Content) -> Content:
        stored = super()._put(path, content)
        for ledgers in self.watching:
            asyncio.get_running_loop().call_soon(ledgers.put, (OWN, "ledger-ns"), dict(stored))
        return stored


class Replica:
    def __init__(self, api: Watched, state: FakeState, name: str) -> None:
        self._state = state
        self.ledgers = KubernetesLedgers(api, OWN, name)
        api.watching.append(self.ledgers)
        self.enforcer = Enforcer(state, self.ledgers, DOMAIN, TIMING, clock=state.clock)
        self._number = 0

    async def push(self, count: int = 1) -> int:
        """Push new tags one after another. Returns the number of admitted ones."""
        admitted = 0
        for _ in range(count):
            self._number += 1
            claims = tag(f"{self.ledgers.replica}-{self._number}")
            view = NamespaceView("ns", self._state.limits("ns"))
            admitted += (await self.enforcer.decide(claims, view, within=30)).allowed
        return admitted


class Cluster:
    def __init__(self) -> None:
        self.api = Watched()
        self.state = FakeState()
        self.state.store("ns", "app", {})
        self.limit(100)
        self.first, self.second = (Replica(self.api, self.state, name) for name in ("one", "two"))

    def limit(self, tags: int) -> None:
        self.state.set_limits(NamespaceLimits(quotas=(quota(image_tags=tags),)))

    async def places(self) -> int:
        ledger, _ = await self.first.ledgers.refresh("ns")
        return ledger.places


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Its replicas wait for each other for as long as a busy machine makes them."""
    monkeypatch.setattr("app.admission.recalling._LATE", 60.0)
    cluster = Cluster()
    yield cluster
    for replica in (cluster.first, cluster.second):
        await replica.enforcer.close()


async def test_a_replica_recalls_escrows_twice(cluster: Cluster) -> None:
    for limit in (100, 200):
        cluster.limit(limit)
        assert await cluster.second.push(20) == 20
        assert await cluster.places() > 0

        assert await cluster.first.push(limit) == 80
        assert await cluster.places() == 0
        cluster.state.now += _COOL + 1


async def test_a_recall_is_answered_after_a_failed_write(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica that recalls asks once: its second recall changes nothing on the ledger."""
    assert await cluster.second.push(20) == 20
    save, failures = cluster.second.ledgers.save, iter(range(2))

    async def failing(namespace: str, ledger: Ledger, version: str) -> None:
        if next(failures, None) is not None:
            raise StateUnavailableError("no answer")
        await save(namespace, ledger, version)

    monkeypatch.setattr(cluster.second.ledgers, "save", failing)

    assert await cluster.first.push(100) == 80
    assert await cluster.places() == 0


async def test_a_deleted_ledger_is_created_again_by_the_holder_of_an_escrow(
    cluster: Cluster,
) -> None:
    """A member that no escrow has admitted does not count before it is stored."""
    assert await cluster.second.push(20) == 20
    named, _ = await cluster.first.ledgers.refresh("ns")
    cluster.api.objects.clear()
    for replica in (cluster.first, cluster.second):
        replica.ledgers.remove((OWN, "ledger-ns"))

    await cluster.second.enforcer.close()

    ledger, _ = await cluster.first.ledgers.refresh("ns")
    assert (len(named) + len(ledger), ledger.places) == (20, 0)
    assert await cluster.first.push(100) == 100 - len(ledger)


async def test_a_ledger_that_is_too_large_is_written_again_once_pushes_have_ended(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object above 1 MiB cannot be stored."""
    cluster.limit(1000)
    assert await cluster.second.push(20) == 20
    [stored] = cluster.api.objects.values()
    monkeypatch.setattr("app.cluster.ledgers._MAX_BYTES", len(stored["data"]["reservations"]))
    with pytest.raises(StateUnavailableError, match="too many pushes in flight in namespace ns"):
        await cluster.first.push()

    cluster.state.now += 3 + 2 * TIMING.expiry
    assert await cluster.first.push(3) == 3
