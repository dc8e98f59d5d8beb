"""What the controllers tell Prometheus."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_PREFIX = "registry_admission"
Family = CounterMetricFamily | GaugeMetricFamily


@dataclass
class Progress:
    """How far a controller is, by what it sees."""

    depth: int = 0
    settled: int = 0
    pending: int = 0
    apart: int = 0
    """Objects that are left to another owner."""
    earliest_expiry: float = 0.0
    """Of a managed token, in seconds since the epoch; 0 without one."""


@dataclass
class ControllerMetrics:
    """One controller's, across the times in which this replica leads."""

    controller: str
    results: Counter[str] = field(default_factory=Counter)
    state: str = "waiting"
    """`waiting` while another replica leads, `active`, or `off` because of another owner."""
    progress: Callable[[], Progress] = Progress


class ControllersCollector(Collector):
    """Reads every controller at each scrape."""

    def __init__(self, controllers: list[ControllerMetrics]) -> None:
        self._controllers = controllers

    def collect(self) -> Iterator[Family]:
        state = _gauge("controller_state", "1 for the state a controller is in.", "state")
        depth = _gauge("controller_queue_depth", "Objects that wait to be looked at.")
        objects = _gauge("controller_objects", "Objects by how far they are.", "progress")
        expiry = _gauge(
            "controller_earliest_expiry_timestamp_seconds",
            "When the first of the managed tokens expires, in seconds since the epoch.",
        )
        results = CounterMetricFamily(
            f"{_PREFIX}_controller_reconciles",
            "What was done, by result.",
            labels=["controller", "result"],
        )
        for one in self._controllers:
            progress = one.progress()
            for name in ("waiting", "active", "off"):
                state.add_metric([one.controller, name], float(one.state == name))
            depth.add_metric([one.controller], progress.depth)
            for name in ("settled", "pending", "apart"):
                objects.add_metric([one.controller, name], getattr(progress, name))
            if progress.earliest_expiry:
                expiry.add_metric([one.controller], progress.earliest_expiry)
            for result, count in sorted(one.results.items()):
                results.add_metric([one.controller, result], count)
        yield from (state, depth, objects, expiry, results)


def _gauge(name: str, description: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", description, labels=["controller", *labels])
