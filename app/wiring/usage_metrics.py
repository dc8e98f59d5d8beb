"""`used` and `hard` of the fullest namespaces, for Prometheus.

The number of namespaces is bounded, and counting leaves time for reviews between slices.
"""

import asyncio
import heapq
from collections.abc import Iterator
from itertools import groupby

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.api.metrics import HARD, USED
from app.model.domain import ApiDomain
from app.page.rows import share
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.state import ClusterState, StateUnavailableError

_PERIOD = 15.0
"""Seconds from one count to the next."""
_SLICE = 20
"""The number of namespaces in a slice; reviews may run between two slices."""


class UsageMetrics(Collector):
    """The ResourceQuotas of the `most` fullest namespaces."""

    def __init__(self, state: ClusterState, domain: ApiDomain, most: int) -> None:
        self._state = state
        self._domain = domain
        self._most = most
        self._levels: list[list[Level]] = []

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_PERIOD)

    async def refresh(self) -> None:
        found = []
        for number, namespace in enumerate(self._state.limited_namespaces(), start=1):
            try:
                levels = self._of(namespace)
            except StateUnavailableError:
                continue  # Another metric counts objects that cannot be read.
            if levels:
                found.append(levels)
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        self._levels = heapq.nlargest(self._most, found, key=lambda levels: share(levels[0]))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        used = GaugeMetricFamily(USED.family, USED.help, labels=USED.labels)
        hard = GaugeMetricFamily(HARD.family, HARD.help, labels=HARD.labels)
        for level in (level for levels in self._levels for level in levels):
            labels = [level.name, level.resource]
            used.add_metric(labels, level.used)
            hard.add_metric(labels, level.hard.floor if level.hard else 0)
        yield from (used, hard)

    def _of(self, namespace: str) -> list[Level]:
        """The level of each resource, of several quotas the fullest; the fullest first."""
        usage, limits = self._state.usage(namespace), self._state.limits(namespace)
        levels = fullness.of_namespace(namespace, usage, limits, self._domain)
        limited = sorted(
            (level for level in levels if level.hard is not None), key=lambda level: level.resource
        )
        fullest = [max(same, key=share) for _, same in groupby(limited, lambda one: one.resource)]
        return sorted(fullest, key=share, reverse=True)
