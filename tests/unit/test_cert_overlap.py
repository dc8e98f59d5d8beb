"""During every renewal, API servers trust the certificate that each replica serves."""

import asyncio
import random
from datetime import datetime
from pathlib import Path

import pytest

from app.certs import trust
from app.certs.rotation import Schedule
from app.cluster.api import ApiError
from tests.unit.certificates import verify
from tests.unit.cluster_certs import HOUR, MINUTE, NAMES, NOW, SECOND, FakeApi, Replica

SHORT = Schedule(authority_lifetime=36 * HOUR, serving_lifetime=9 * HOUR, overlap=HOUR)
POLL = 20 * MINUTE
LAG = 10 * MINUTE


class World:
    """Three replicas that look once in POLL and sometimes fail, and API servers with a delay."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.api = FakeApi()
        self.now = NOW
        self.replicas = [Replica(self.api, folder / name, SHORT) for name in "abc"]
        self.due = dict.fromkeys(range(3), NOW)
        self.history: list[tuple[datetime, list[bytes]]] = []
        """The bundles of the webhook configurations and their start times, oldest first."""
        self.authorities: set[bytes] = set()

    async def run(self, until: datetime) -> None:
        while self.now < until:
            self.now = min(self.due.values())
            together = [i for i in range(3) if self.due[i] <= self.now + MINUTE]
            self.api.failing = self._sometimes
            await asyncio.gather(*(self._look(index) for index in together))
            self.history.append((self.now, self.api.bundles()))
            if self.now > NOW + LAG:
                self._check()

    def _sometimes(self, path: str) -> bool:
        return self.random.random() < 0.02

    async def _look(self, index: int) -> None:
        replica = self.replicas[index]
        replica.now = self.now
        if self.random.random() < 0.02:
            self.replicas[index] = replica = Replica(self.api, replica.folder, SHORT)
            replica.now = self.now
        try:
            more = await replica.certificates.step()
        except ApiError:
            more = True
        wait = SECOND if more else POLL * self.random.uniform(0.2, 1.0)
        self.due[index] = self.now + wait

    def _check(self) -> None:
        for replica in self.replicas:
            if replica.ready:
                for bundle in self._known_to_api_servers():
                    self.authorities.update(trust.split(bundle))
                    verify(replica.served, bundle, NAMES[0], self.now)

    def _known_to_api_servers(self) -> set[bytes]:
        """The present bundles, and the bundles that were replaced at most LAG ago."""
        heard = [i for i, (since, _) in enumerate(self.history) if since <= self.now - LAG]
        self.history = self.history[max(heard, default=0) :]
        return {bundle for _, bundles in self.history for bundle in bundles}


@pytest.mark.parametrize("seed", range(3))
async def test_certificate_of_a_ready_replica_is_always_trusted(seed: int, tmp_path: Path) -> None:
    world = World(tmp_path, seed)

    await world.run(NOW + 90 * HOUR)

    assert len(world.authorities) >= 3, "the CA was replaced more than once"
