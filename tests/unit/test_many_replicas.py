"""More replicas than free places fill a quota exactly."""

import asyncio

import pytest

from app.admission.enforcer import Enforcer
from app.quota.state import StateUnavailableError
from tests.unit.ledgers import Replica
from tests.unit.stores import DOMAIN
from tests.unit.test_escrows import TIMING, Cluster


@pytest.mark.parametrize("tags", [3, 200])
async def test_sixty_replicas_fill_a_quota_exactly(tags: int) -> None:
    cluster = Cluster(tags)
    for _ in range(57):
        ledgers = Replica(cluster.shared)
        cluster.ledgers.append(ledgers)
        cluster.replicas.append(
            Enforcer(cluster.state, ledgers, DOMAIN, TIMING, clock=cluster.state.clock)
        )
    turns = asyncio.Semaphore(60)

    async def push(number: int) -> bool:
        """Repeat a request until it is decided, as a client of a busy service does."""
        async with turns:
            while True:
                try:
                    return await cluster.allows(number % 60, f"v{number}")
                except StateUnavailableError:
                    await asyncio.sleep(0.01)

    allowed = await asyncio.gather(*map(push, range(tags + 60)))

    assert sum(allowed) == tags
    for replica in cluster.replicas:
        await replica.close()
    assert (cluster.places, len(cluster.shared.ledger)) == (0, tags)
