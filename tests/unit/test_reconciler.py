"""The leader's work on ledgers, also while requests fail."""

import asyncio
from dataclasses import replace

import pytest

from app.cluster.api import Content
from app.cluster.kubernetes import KubernetesState
from app.cluster.ledgers import KubernetesLedgers
from app.cluster.reconciler import Reconciler
from app.model.domain import ApiDomain
from app.quota.ledger import Ledger, Reservation
from app.quota.members import Members
from app.quota.view import Floor, Timing, View
from tests.patience import PATIENCE
from tests.unit.cluster_certs import always
from tests.unit.kube import FakeKube

NOW = 1_800_000_000.0
OWN = "registry-admission"
TIMING = Timing(70, lag=5, skew=4)
MEMBERS = Members(frozenset({"app"}), tags=frozenset({("app", "v1")}))
RESERVATION = Reservation("holder", MEMBERS, NOW + 69)


class State(KubernetesState):
    """A state without problems."""

    def __init__(self, api: FakeKube) -> None:
        super().__init__(api, ApiDomain(), namespace=OWN, timing=TIMING, silence=150)

    def problems(self) -> list[str]:
        return []

    def view(self) -> View:
        return View(10, NOW)


class Leader:
    def __init__(self) -> None:
        self.api = FakeKube(NOW)
        self.state = State(self.api)
        self.ledgers = KubernetesLedgers(self.api, OWN, "one")
        self.reconciler = Reconciler(
            self.api, self.state, self.ledgers, ApiDomain(), TIMING, clock=lambda: NOW
        )

    async def reserve(self, namespace: str, *reservations: Reservation) -> None:
        await self.ledgers.save(namespace, Ledger(reservations), "")

    async def reserved(self, namespace: str) -> list[Reservation]:
        return list((await self.ledgers.load(namespace))[0])

    def stored(self) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.api.objects if "configmaps" in path)


@pytest.fixture
def leader() -> Leader:
    return Leader()


async def test_the_ledger_of_a_deleted_namespace_stays_until_its_requests_have_ended(
    leader: Leader,
) -> None:
    """The namespace may be created again before the requests are stored."""
    await leader.reserve("gone", RESERVATION)
    await leader.reserve("long-gone", replace(RESERVATION, expires_at=NOW - 30))

    for namespace in ("gone", "long-gone"):
        await leader.reconciler.tidy(namespace)

    assert await leader.reserved("gone") == [RESERVATION]
    assert await leader.reserved("long-gone") == []


async def test_changed_ledger_is_not_deleted(leader: Leader) -> None:
    await leader.reserve("gone")
    path = f"/api/v1/namespaces/{OWN}/configmaps/ledger-gone"
    await leader.api.merge(path, {"data": {"writes": "9"}})

    await leader.reconciler.tidy("gone")

    assert leader.stored() == ["ledger-gone"]


async def test_expired_reservations_leave_the_ledger(leader: Leader) -> None:
    old = Reservation("old", MEMBERS, NOW - 30)
    await leader.reserve("ns", old, RESERVATION)

    await leader.reconciler.tidy("ns")

    ledger, _ = await leader.ledgers.load("ns")
    assert list(ledger) == [RESERVATION]


@pytest.mark.parametrize(
    ("set_at", "stored"),
    [
        pytest.param(NOW - 12, ["ledger-ns"], id="a replica may not have seen its floor"),
        pytest.param(NOW - 13, [], id="every replica that may decide has"),
    ],
)
async def test_empty_ledger_is_deleted_when_its_floor_is_covered(
    leader: Leader, set_at: float, stored: list[str]
) -> None:
    await leader.ledgers.save("ns", Ledger(floor=Floor(10, set_at)), "")

    await leader.reconciler.tidy("ns")

    assert leader.stored() == stored


async def test_ledger_with_an_uncovered_floor_is_not_tidied(leader: Leader) -> None:
    expired = Reservation("old", MEMBERS, NOW - 30)
    await leader.ledgers.save("ns", Ledger([expired], Floor(11, NOW)), "")

    await leader.reconciler.tidy("ns")

    ledger, _ = await leader.ledgers.load("ns")
    assert list(ledger) == [expired]


async def test_changes_before_a_replica_leads_are_not_kept(
    leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica leads and follows the changes. A new leader reads all quotas anyway."""
    written: list[str] = []

    async def note(namespace: str) -> None:
        written.append(namespace)

    def put(namespace: str) -> None:
        hard = {"alauda.io/images": "3"}
        content = {"metadata": {"name": "quota", "namespace": namespace}, "spec": {"hard": hard}}
        leader.state.quotas.put((namespace, "quota"), content)

    monkeypatch.setattr(leader.reconciler, "_write_status", note)
    put("before")
    leader.state.quotas.remove(("before", "quota"))

    leading = asyncio.create_task(leader.reconciler.run())
    await asyncio.sleep(0)
    put("later")
    async with asyncio.timeout(PATIENCE):
        while "later" not in written:
            await asyncio.sleep(0.01)
    leading.cancel()

    assert "before" not in written


STATUS = "/api/v1/namespaces/ns/resourcequotas/quota/status"


@pytest.fixture
def counting(leader: Leader) -> Leader:
    """A leader with a quota whose status has no counts yet."""
    content: Content = {
        "metadata": {"name": "quota", "namespace": "ns", "resourceVersion": "1"},
        "spec": {"hard": {"alauda.io/images": "3"}},
    }
    leader.state.quotas.put(("ns", "quota"), content)
    leader.api.objects[STATUS] = content
    return leader


async def becomes_counted(leader: Leader) -> None:
    async with asyncio.timeout(PATIENCE):
        while "status" not in leader.api.objects[STATUS]:
            await asyncio.sleep(0.01)


async def test_counts_that_may_be_wrong_are_not_written(
    counting: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stale:
        stale.setattr(counting.state, "problems", lambda: ["imagestreams: not listed yet"])
        await counting.reconciler._write_status("ns")
        assert "status" not in counting.api.objects[STATUS]

    await counting.reconciler._write_status("ns")
    await becomes_counted(counting)


async def test_counts_that_could_not_be_written_are_written_soon(
    counting: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sooner than with the next round over all quotas."""
    monkeypatch.setattr("app.cluster.reconciler._RETRY", 0.01)
    failures = iter([True])
    counting.api.failing = lambda *_: next(failures, False)

    leading = asyncio.create_task(counting.reconciler.run())
    await becomes_counted(counting)
    leading.cancel()

    assert next(failures, None) is None


@pytest.mark.parametrize("broken", ["no answer", "not understood"])
async def test_failure_on_one_ledger_does_not_stop_others(leader: Leader, broken: str) -> None:
    await leader.reserve("ns", Reservation("holder", MEMBERS, NOW - 30))
    if broken == "no answer":
        leader.api.failing = always
    else:
        content = {"metadata": {"resourceVersion": "99"}, "data": {"reservations": "?"}}
        leader.ledgers.put((OWN, "ledger-ns"), content)

    await leader.reconciler.tidy("ns")

    assert leader.stored() == ["ledger-ns"]
