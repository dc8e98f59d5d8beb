"""An escrow is returned if it is idle or recalled, and if its replica ends, also after faults."""

import asyncio

import pytest

from app.quota.members import NONE
from app.quota.state import StateUnavailableError
from tests.patience import PATIENCE
from tests.unit.ledgers import Away
from tests.unit.test_escrows import Cluster


async def held_by_one_that_is_away(monkeypatch: pytest.MonkeyPatch) -> tuple[Cluster, Away]:
    """The first replica has admitted 20 pushes, and cannot write. It renews no escrow by itself."""
    cluster = Cluster(1000, Away)
    monkeypatch.setattr(cluster.replicas[0], "_renew", lambda *_: None)
    away = cluster.ledgers[0]
    assert isinstance(away, Away)
    await cluster.heat(0)
    assert cluster.places > 0
    away.away = True
    return cluster, away


async def given_back(cluster: Cluster) -> None:
    """Wait until no replica holds any place."""
    async with asyncio.timeout(PATIENCE):
        while cluster.places:
            await asyncio.sleep(0.01)


async def test_a_recalled_escrow_is_given_back_as_soon_as_the_api_server_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, away = await held_by_one_that_is_away(monkeypatch)
    await cluster.ledgers[1].recall("ns")
    await asyncio.sleep(0.3)
    assert cluster.places > 0
    away.away = False

    await given_back(cluster)

    assert len(cluster.shared.ledger) == 20


async def test_an_idle_replica_gives_its_escrow_back_after_a_failed_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, away = await held_by_one_that_is_away(monkeypatch)
    cluster.state.now += 2.1
    with pytest.raises(StateUnavailableError, match="no answer"):
        await cluster.allows(0, "failed")
    away.away = False

    await given_back(cluster)

    assert len(cluster.shared.ledger) == 20


async def test_a_replica_that_ends_waits_for_the_api_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, away = await held_by_one_that_is_away(monkeypatch)
    closing = asyncio.create_task(cluster.replicas[0].close())
    await asyncio.sleep(0.1)
    assert not closing.done()
    away.away = False

    await asyncio.wait_for(closing, PATIENCE)

    assert (cluster.places, len(cluster.shared.ledger)) == (0, 20)


async def test_an_escrow_of_an_idle_namespace_is_not_renewed() -> None:
    cluster = Cluster(1000)
    await cluster.heat(0)
    cluster.state.now += 2.1
    cluster.replicas[0]._give_back("ns")

    await given_back(cluster)

    assert len(cluster.shared.ledger) == 20


async def test_after_the_end_of_an_escrow_only_the_places_that_it_has_used_count() -> None:
    cluster = Cluster(1000)
    await cluster.heat(0)
    [escrow] = cluster.shared.ledger.escrows.values()
    named = {row.holder for row in cluster.shared.ledger}
    cluster.state.now += 30
    cluster.replicas[0]._give_back("ns")

    await given_back(cluster)

    [kept] = [row for row in cluster.shared.ledger if row.holder not in named]
    assert len(kept.members.tags) == 20 - len(named)
    assert (kept.expires_at, kept.proof) == (escrow.counted_until, NONE)


async def test_an_ended_escrow_of_which_nothing_was_used_leaves_nothing() -> None:
    cluster = Cluster(1000)
    pushes = (cluster.allows(0, f"v{number}") for number in range(3))
    assert all(await asyncio.gather(*pushes))
    assert cluster.places > 0
    cluster.state.now += 30
    cluster.replicas[0]._give_back("ns")

    await given_back(cluster)

    assert len(cluster.shared.ledger) == 3
