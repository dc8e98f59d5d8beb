"""The metrics of the controllers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.model.metric import Metric

Family = CounterMetricFamily | GaugeMetricFamily

STATE = Metric(
    "controller_state", "gauge", "1 for the state a controller is in.", ("controller", "state")
)
QUEUE_DEPTH = Metric(
    "controller_queue_depth", "gauge", "Objects that wait to be looked at.", ("controller",)
)
OBJECTS = Metric(
    "controller_objects", "gauge", "Objects by how far they are.", ("controller", "progress")
)
EARLIEST_EXPIRY = Metric(
    "controller_earliest_expiry_timestamp_seconds",
    "gauge",
    "When the first of the managed tokens expires, in seconds since the epoch.",
    ("controller",),
)
RECONCILES = Metric(
    "controller_reconciles", "counter", "What was done, by result.", ("controller", "result")
)
OF_CONTROLLERS = (STATE, QUEUE_DEPTH, OBJECTS, EARLIEST_EXPIRY, RECONCILES)


@dataclass
class Progress:
    """How many objects a controller has finished."""

    depth: int = 0
    settled: int = 0
    pending: int = 0
    apart: int = 0
    """Objects that belong to another owner."""
    earliest_expiry: float = 0.0
    """When the first managed token expires, in seconds since the epoch; 0 without a token."""


@dataclass
class ControllerMetrics:
    """The metrics of one controller, across all times during which this replica leads."""

    controller: str
    results: Counter[str] = field(default_factory=Counter)
    state: str = "waiting"
    """`waiting` while another replica leads, `active`, or `off` while there is another owner."""
    progress: Callable[[], Progress] = Progress


class ControllersCollector(Collector):
    """Reads every controller at each scrape."""

    def __init__(self, controllers: list[ControllerMetrics]) -> None:
        self._controllers = controllers

    def collect(self) -> Iterator[Family]:
        state, depth, objects, expiry = map(_gauge, (STATE, QUEUE_DEPTH, OBJECTS, EARLIEST_EXPIRY))
        results = CounterMetricFamily(RECONCILES.family, RECONCILES.help, labels=RECONCILES.labels)
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


def _gauge(metric: Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.family, metric.help, labels=metric.labels)
