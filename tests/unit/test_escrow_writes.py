"""Writes of escrows that are late, fail, or have an unknown outcome."""

import asyncio
from collections.abc import Iterator
from typing import NoReturn

import pytest

from app.admission.decision import Sight, take_escrow
from app.model.limits import NamespaceLimits
from app.quota.ledger import Ledger
from app.quota.state import StateUnavailableError
from app.quota.usage import NamespaceUsage, StreamUsage
from app.quota.view import View
from tests.patience import PATIENCE
from tests.unit.ledgers import Doubtful, Held, idle
from tests.unit.stores import DOMAIN, limit, quota
from tests.unit.test_escrows import TIMING, Cluster


async def test_a_write_with_an_unknown_outcome_loses_no_reservation() -> None:
    cluster = Cluster(1000, Doubtful)
    doubtful = cluster.ledgers[0]
    assert isinstance(doubtful, Doubtful)
    await cluster.heat(0)
    doubtful.silent = True
    cluster.state.now += 2.5
    with pytest.raises(StateUnavailableError, match="no answer"):
        await cluster.allows(0, "doubtful")
    doubtful.silent = False
    await doubtful.refresh("ns")

    assert await cluster.allows(0, "next")
    await cluster.replicas[0].close()

    assert cluster.places == 0
    assert len(cluster.shared.ledger) == 22


async def pushing_first(cluster: Cluster) -> list[asyncio.Task[bool]]:
    """Concurrent pushes, so that the first write of the first replica takes an escrow. The write
    does not arrive."""
    held = cluster.ledgers[0]
    assert isinstance(held, Held)
    held.may_arrive.clear()
    pushes = [asyncio.create_task(cluster.allows(0, f"v{number}")) for number in range(3)]
    await idle()
    return pushes


@pytest.mark.parametrize("end", ["close", "recall"])
async def test_an_escrow_whose_write_is_on_its_way_is_given_back(end: str) -> None:
    cluster = Cluster(1000, Held)
    held, replica = cluster.ledgers[0], cluster.replicas[0]
    assert isinstance(held, Held)
    pushes = await pushing_first(cluster)
    closing = asyncio.create_task(replica.close()) if end == "close" else None
    if closing is None:
        replica._recalled("ns")
    await asyncio.sleep(0)
    held.may_arrive.set()

    assert all(await asyncio.gather(*pushes))
    await (closing or idle())

    assert (cluster.places, len(cluster.shared.ledger)) == (0, 3)


async def test_an_escrow_of_a_lost_write_is_given_back() -> None:
    cluster = Cluster(1000, Doubtful)
    doubtful = cluster.ledgers[0]
    assert isinstance(doubtful, Doubtful)
    doubtful.silent = True
    pushes = [asyncio.create_task(cluster.allows(0, f"v{number}")) for number in range(3)]
    await asyncio.wait(pushes)
    assert all(isinstance(push.exception(), StateUnavailableError) for push in pushes)
    assert cluster.places > 0
    doubtful.silent = False

    await doubtful.refresh("ns")
    await cluster.replicas[0].close()

    assert cluster.places == 0


async def test_a_replica_without_an_escrow_writes_nothing_when_it_is_asked_for_one() -> None:
    cluster = Cluster(2)
    replica = cluster.replicas[0]
    pushes = [asyncio.create_task(cluster.allows(0, f"v{number}")) for number in range(2)]
    while not replica._deciding:
        await asyncio.sleep(0)
    replica._recalled("ns")

    assert all(await asyncio.gather(*pushes))
    await replica.close()

    assert cluster.shared.version == 1


async def test_a_stream_that_cannot_be_read_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(1000, Held)
    held, replica = cluster.ledgers[0], cluster.replicas[0]
    assert isinstance(held, Held)
    await cluster.heat(0)
    held.may_arrive.clear()
    replica._recalled("ns")
    await asyncio.sleep(0)
    waiting = asyncio.create_task(cluster.allows(0, "waits"))
    await asyncio.sleep(0)
    assert await cluster.allows(1, "another")

    def unreadable(namespace: str) -> NamespaceUsage:
        raise StateUnavailableError("ImageStream ns/app cannot be read")

    with monkeypatch.context() as broken:
        broken.setattr(cluster.state, "usage", unreadable)
        held.may_arrive.set()
        with pytest.raises(StateUnavailableError, match="cannot be read"):
            await asyncio.wait_for(waiting, PATIENCE)

    assert await asyncio.wait_for(cluster.allows(0, "later"), PATIENCE)
    for one in cluster.replicas:
        await one.close()


async def test_a_ledger_broken_during_a_recall_ends_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(100)
    await cluster.heat(0)
    monkeypatch.setattr(cluster.replicas[0], "_give_back", lambda *_: None)
    for number in range(100 - len(cluster.shared.ledger) - cluster.places):
        await cluster.allows(1, f"v{number}")
    asking = cluster.ledgers[1]

    async def unreadable(namespace: str) -> tuple[Ledger, str]:
        raise StateUnavailableError("the ledger cannot be parsed")

    async def recall(namespace: str) -> None:
        monkeypatch.setattr(asking, "load", unreadable)

    monkeypatch.setattr(asking, "recall", recall)
    with pytest.raises(StateUnavailableError, match="cannot be parsed"):
        await asyncio.wait_for(cluster.allows(1, "one-more"), PATIENCE)
    monkeypatch.undo()
    cluster.state.now += 3 + 2 * TIMING.expiry

    await asking.refresh("ns")
    assert await asyncio.wait_for(cluster.allows(1, "one-more"), PATIENCE)


async def test_an_unexpected_error_answers_those_who_wait_and_keeps_nobody_waiting_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(100)

    async def fails(namespace: str) -> None:
        raise ValueError("not expected")

    with monkeypatch.context() as broken:
        broken.setattr(cluster.replicas[0]._pauses, "wait", fails)
        with pytest.raises(StateUnavailableError, match="the quota enforcer failed"):
            await asyncio.wait_for(cluster.allows(0, "waits"), PATIENCE)

    assert await asyncio.wait_for(cluster.allows(0, "later"), PATIENCE)


def test_taking_an_escrow_raises_the_floor() -> None:
    ledger, usage = Ledger(), NamespaceUsage()
    limits = NamespaceLimits(quotas=(quota(image_tags=9),))
    ledger.begin(usage, View(1, 1000.0), 1000.0)

    take_escrow(
        ledger, "one", 4, 3.0, Sight(usage, View(2, 1001.0), 1001.0, limits, TIMING, DOMAIN)
    )

    assert not ledger.covered_by(View(1, 1000.0), TIMING)
    assert ledger.covered_by(View(2, 1001.0), TIMING)


class Uncounted(dict[str, StreamUsage]):
    """Counts the streams that are read."""

    looked = 0

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self.looked += 1
            yield name

    def keys(self) -> NoReturn:
        raise AssertionError("all streams are copied")


def test_taking_an_escrow_does_not_depend_on_the_number_of_streams() -> None:
    usage, ledger = NamespaceUsage(), Ledger()
    streams = Uncounted({f"app-{number}": StreamUsage({}) for number in range(100)})
    usage.streams = streams
    limits = NamespaceLimits(stream_tags=limit("9"))

    take_escrow(
        ledger, "one", 4, 3.0, Sight(usage, View(1, 1000.0), 1000.0, limits, TIMING, DOMAIN)
    )

    assert streams.looked == 0
