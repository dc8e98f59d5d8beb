"""Prometheus metrics of one service."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from app.admission.review import AdmissionRequest, Outcome

_PREFIX = "registry_admission"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KINDS = frozenset(
    {
        "Config", "ConfigMap", "Image", "ImagePruner", "ImageStream", "ImageStreamImport",
        "ImageStreamMapping", "ImageStreamTag", "ImageTag", "LimitRange", "ResourceQuota",
        "Secret", "ServiceAccount",
    }
)  # fmt: skip


class Metrics:
    """Counts reviews; gauges are read when they are scraped."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._reviews = Counter(
            f"{_PREFIX}_reviews",
            "Admission reviews by kind, verdict and reason.",
            ["endpoint", "kind", "verdict", "reason"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}_review_seconds",
            "Time from the whole body read to the answer.",
            ["endpoint"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._rejected = Counter(
            f"{_PREFIX}_bad_requests",
            "HTTP requests that were no AdmissionReview.",
            ["code"],
            registry=self._registry,
        )

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A value that is asked for at each scrape."""
        gauge = Gauge(f"{_PREFIX}_{name}", description, registry=self._registry)
        gauge.set_function(read)

    def collect(self, collector: Collector) -> None:
        """Values that somebody else keeps."""
        self._registry.register(collector)

    def count_review(
        self, endpoint: str, request: AdmissionRequest, outcome: Outcome, seconds: float
    ) -> None:
        kind = request.kind.kind if request.kind.kind in _KINDS else "other"
        verdict = "allowed" if outcome.allowed else "denied"
        for reason in outcome.causes or ("",):
            self._reviews.labels(endpoint, kind, verdict, reason).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def count_bad_request(self, code: int) -> None:
        self._rejected.labels(str(code)).inc()

    def render(self) -> bytes:
        return generate_latest(self._registry)
