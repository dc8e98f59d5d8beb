"""A replica that holds an escrow needs few writes, and no limit is exceeded."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from app.admission.enforcer import Enforcer
from app.model.limits import NamespaceLimits
from app.quota.ledger import Ledger
from app.quota.members import Claims, Members
from app.quota.state import NamespaceView, StateUnavailableError
from app.quota.view import Timing
from tests.patience import PATIENCE
from tests.unit.ledgers import Held, Replica, Versioned, idle
from tests.unit.stores import DOMAIN, FakeState, quota

TIMING = Timing(expiry=70, lag=5, skew=4)


def tag(name: str) -> Claims:
    return Claims("ns", Members(tags=frozenset({("app", name)})))


class Slow(Replica):
    """A store whose writes take 1.5 seconds each."""

    takes: FakeState | None = None

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        await super().save(namespace, ledger, version)
        if self.takes is not None and ledger.escrows:
            self.takes.now += 1.5


class Cluster:
    """Replicas with a shared state and ledger, in a namespace with this number of tags."""

    def __init__(self, tags: int, ledgers: type[Replica] = Replica) -> None:
        self.state = FakeState(NamespaceLimits(quotas=(quota(image_tags=tags),)))
        self.state.store("ns", "app", {})
        self.shared = Versioned()
        self.ledgers = [ledgers(self.shared) for _ in range(3)]
        self.replicas = [
            Enforcer(self.state, one, DOMAIN, TIMING, clock=self.state.clock)
            for one in self.ledgers
        ]

    async def allows(self, replica: int, name: str, **how: Any) -> bool:
        view = NamespaceView("ns", self.state.limits("ns"))
        decide = self.replicas[replica].decide
        return (await decide(tag(name), view, within=PATIENCE, **how)).allowed

    async def heat(self, replica: int, pushes: int = 20) -> int:
        """Push one after another. Returns the number of writes."""
        before = self.shared.version
        for number in range(pushes):
            assert await self.allows(replica, f"hot-{replica}-{number}")
        return self.shared.version - before

    @property
    def places(self) -> int:
        return self.shared.ledger.places


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster(1000)
    yield cluster
    for replica in cluster.replicas:
        await replica.close()


async def test_a_hot_namespace_needs_few_writes(cluster: Cluster) -> None:
    assert await cluster.heat(0, 100) <= 10
    assert cluster.places > 0


async def test_names_that_are_too_long_for_one_write_are_decided_on_the_ledger(
    cluster: Cluster,
) -> None:
    await cluster.heat(0)
    before = cluster.shared.version

    assert await cluster.allows(0, "x" * 100_000)
    assert cluster.shared.version == before
    assert await cluster.allows(0, "y" * 100_000)
    assert cluster.shared.version == before + 1


async def test_many_clients_at_once_need_few_writes_as_well(cluster: Cluster) -> None:
    async def client(number: int) -> None:
        for push in range(8):
            assert await cluster.allows(0, f"v{number}-{push}")

    await asyncio.gather(*map(client, range(64)))

    assert cluster.shared.version <= 25


async def test_a_namespace_that_is_not_hot_takes_no_escrow(cluster: Cluster) -> None:
    for number in range(20):
        cluster.state.now += 1
        assert await cluster.allows(0, f"v{number}")

    assert cluster.shared.version == 20
    assert cluster.places == 0


@pytest.mark.parametrize("together", [True, False])
async def test_pushes_with_reservations_of_their_own_take_no_escrow(
    cluster: Cluster, together: bool
) -> None:
    """The gateway and push checks name their reservations, and could not use the places."""
    pushes = [cluster.allows(0, f"v{number}", holder=f"push-{number}") for number in range(20)]
    if together:
        assert all(await asyncio.gather(*pushes))
    else:
        assert all([await push for push in pushes])

    assert await cluster.allows(0, "review")
    assert len(cluster.shared.ledger) == 21
    assert cluster.places == 0


@pytest.mark.parametrize("tags", [60, 200, 500])
async def test_three_replicas_fill_a_quota_exactly_and_fail_nothing(tags: int) -> None:
    cluster = Cluster(tags)
    turns = asyncio.Semaphore(64)

    async def push(number: int) -> bool:
        async with turns:
            return await cluster.allows(number % 3, f"v{number}")

    allowed = await asyncio.gather(*map(push, range(tags + 200)))

    assert sum(allowed) == tags
    assert cluster.shared.version < tags / 2
    for replica in cluster.replicas:
        await replica.close()
    assert (cluster.places, len(cluster.shared.ledger)) == (0, tags)


async def test_places_that_another_replica_holds_are_asked_back_before_anything_is_refused() -> (
    None
):
    cluster = Cluster(100)
    await cluster.heat(0)
    held = cluster.places
    assert held > 0

    for number in range(80):
        assert await cluster.allows(1, f"v{number}")
    assert not await cluster.allows(1, "one-too-many")
    assert not await cluster.allows(2, "one-too-many")
    assert cluster.places == 0


async def test_a_replica_that_does_not_answer_makes_nothing_refused_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(100)
    await cluster.heat(0)
    monkeypatch.setattr(cluster.replicas[0], "_give_back", lambda *_: None)
    full = 100 - len(cluster.shared.ledger) - cluster.places
    for number in range(full):
        await cluster.allows(1, f"v{number}")

    with pytest.raises(StateUnavailableError, match="other replicas hold places of namespace ns"):
        await cluster.allows(1, "one-more")
    cluster.state.now += 3 + 2 * TIMING.expiry
    assert await cluster.allows(1, "one-more")


async def test_a_replica_that_ends_gives_its_places_back(cluster: Cluster) -> None:
    await cluster.heat(0)
    assert cluster.places > 0

    await cluster.replicas[0].close()

    assert cluster.places == 0
    assert len(cluster.shared.ledger) == 20


async def test_an_escrow_is_given_back_while_it_is_usable(cluster: Cluster) -> None:
    await cluster.heat(0)
    cluster.state.now += 2.5

    await cluster.allows(0, "later")

    assert all(
        one.usable_until > cluster.state.now for one in cluster.shared.ledger.escrows.values()
    )
    assert len(cluster.shared.ledger) == 21


async def test_an_escrow_is_given_back_in_time_after_a_slow_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(1000, Slow)
    slow = cluster.ledgers[0]
    assert isinstance(slow, Slow)
    slow.takes = cluster.state
    renewals: list[float] = []
    loop = asyncio.get_running_loop()
    later = loop.call_later

    def call_later(delay: float, call: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        if call == cluster.replicas[0]._renew:
            renewals.append(cluster.state.now + delay)
        return later(delay, call, *args)

    monkeypatch.setattr(loop, "call_later", call_later)

    await cluster.heat(0)

    [held] = cluster.shared.ledger.escrows.values()
    assert renewals[-1] == held.usable_until - 1
    await cluster.replicas[0].close()


async def test_requests_that_meet_at_a_namespace_take_an_escrow_with_the_first_write() -> None:
    cluster = Cluster(1000)

    async def client(number: int) -> None:
        for push in range(4):
            assert await cluster.allows(number % 3, f"v{number}-{push}")

    await asyncio.gather(*map(client, range(18)))

    assert cluster.shared.version == 3
    for replica in cluster.replicas:
        await replica.close()


@pytest.mark.parametrize("meets_another_write", [False, True])
async def test_no_request_waits_while_an_escrow_is_renewed(meets_another_write: bool) -> None:
    cluster = Cluster(1000, Held)
    held = cluster.ledgers[0]
    assert isinstance(held, Held)
    await cluster.heat(0)
    held.may_arrive.clear()
    cluster.replicas[0]._give_back("ns")
    await asyncio.sleep(0)

    for number in range(50):
        assert await asyncio.wait_for(cluster.allows(0, f"v{number}"), PATIENCE)
    if meets_another_write:
        assert await cluster.allows(1, "another")
    held.may_arrive.set()
    await cluster.replicas[0].close()

    assert (cluster.places, len(cluster.shared.ledger)) == (0, 70 + meets_another_write)


async def test_an_escrow_is_renewed_before_it_is_used_up() -> None:
    cluster = Cluster(1000, Held)
    held = cluster.ledgers[0]
    assert isinstance(held, Held)
    await cluster.heat(0)
    places, before = cluster.places, cluster.shared.version
    held.may_arrive.clear()

    for number in range(places - 20):
        assert await asyncio.wait_for(cluster.allows(0, f"v{number}"), PATIENCE)
    held.may_arrive.set()
    await idle()

    assert cluster.shared.version == before + 1
    assert cluster.places > 0
    await cluster.replicas[0].close()
    assert (cluster.places, len(cluster.shared.ledger)) == (0, places)


async def test_an_escrow_admits_nothing_while_the_state_is_not_to_be_trusted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.heat(0)
    assert cluster.places > 0

    with monkeypatch.context() as wrong:
        wrong.setattr(cluster.state, "reasons", ["clock is up to 60.0 s behind the API server"])
        with pytest.raises(StateUnavailableError, match="clock is up to"):
            await cluster.allows(0, "late")

    assert await cluster.allows(0, "late")
