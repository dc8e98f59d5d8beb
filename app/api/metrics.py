"""Prometheus metrics of one service."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.admission.kinds import KINDS
from app.admission.review import AdmissionRequest, Outcome
from app.model.metric import Metric
from app.policy.verdict import Violation
from app.version import VERSION

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KINDS = frozenset(kind.name for kind in KINDS)


REVIEWS = Metric(
    "reviews",
    "counter",
    "Admission reviews by kind, verdict and reason; a review that is refused for several reasons "
    "counts for each of them.",
    ("endpoint", "kind", "verdict", "reason"),
)
WOULD_REFUSE = Metric(
    "would_refuse",
    "counter",
    "Reviews and pushes that exceed a limit of mode warn or audit, by reason and mode.",
    ("reason", "mode"),
)
EXEMPTIONS = Metric(
    "exemptions",
    "counter",
    "Reviews and pushes of exempt users, groups and namespaces that exceed a limit, by the kind "
    "of the exemption.",
    ("by",),
)
REVIEW_SECONDS = Metric(
    "review_seconds", "histogram", "Time from the whole body read to the answer.", ("endpoint",)
)
BAD_REQUESTS = Metric(
    "bad_requests",
    "counter",
    "HTTP requests to review endpoints that were refused before a decision.",
    ("code",),
)
BUILD_INFO = Metric("build_info", "gauge", "1, with the version of this process.", ("version",))
READY = Metric("ready", "gauge", "1 while /readyz answers 200, else 0.")
RESERVATIONS = Metric("reservations", "gauge", "Reservations in flight.")
STATE_AGE = Metric("state_age_seconds", "gauge", "Age of the state decided on.")
STATE_BROKEN = Metric(
    "state_broken", "gauge", "1 while the last reading of the state folder failed."
)
UNREADABLE = Metric(
    "unreadable_objects",
    "gauge",
    "Objects whose content cannot be read; pushes to their namespaces are refused.",
    ("kind",),
)
USED = Metric(
    "used",
    "gauge",
    "What a namespace has of a resource, for as many of the fullest namespaces as `usage-metrics` "
    "says.",
    ("namespace", "resource"),
)
HARD = Metric(
    "hard", "gauge", "What its ResourceQuota allows, the fullest of several.",
    ("namespace", "resource"),
)  # fmt: skip
CERTIFICATE_EXPIRY = Metric(
    "certificate_expiry_timestamp_seconds",
    "gauge",
    "When the serving certificate expires, in seconds since the epoch.",
)
UPLOADS = Metric("uploads", "gauge", "Blob uploads in flight.")
UNREAD = Metric(
    "unread_repositories", "gauge", "Repositories that have not been read; their namespaces wait."
)
UNREADABLE_MANIFESTS = Metric(
    "unreadable_manifests", "gauge", "Tags and manifests that cannot be read; they count as stored."
)
UNTAGGED = Metric(
    "untagged_images", "gauge", "Images that no tag reaches, stored but not counted any more."
)

OF_REVIEWS = (REVIEWS, WOULD_REFUSE, EXEMPTIONS, REVIEW_SECONDS, BAD_REQUESTS)
OF_ALL = (*OF_REVIEWS, BUILD_INFO, READY, RESERVATIONS)
OF_SERVICE = (
    *OF_ALL, STATE_AGE, STATE_BROKEN, UNREADABLE, USED, HARD,
    CERTIFICATE_EXPIRY,
)  # fmt: skip
OF_GATEWAY = (*OF_ALL, UPLOADS, UNREAD, UNREADABLE_MANIFESTS, UNTAGGED)


class Metrics:
    """Counts reviews. Gauges are read at each scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        reviews = Counter(REVIEWS.family, REVIEWS.help, REVIEWS.labels, registry=self._registry)
        seconds = Histogram(
            REVIEW_SECONDS.family,
            REVIEW_SECONDS.help,
            REVIEW_SECONDS.labels,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        # Their labels have few values, and looking a counter up takes longer than to count.
        self._reviews = cache(reviews.labels)
        self._seconds = cache(seconds.labels)
        self._would_refuse = Counter(
            WOULD_REFUSE.family, WOULD_REFUSE.help, WOULD_REFUSE.labels, registry=self._registry
        )
        self._exemptions = Counter(
            EXEMPTIONS.family, EXEMPTIONS.help, EXEMPTIONS.labels, registry=self._registry
        )
        self._rejected = Counter(
            BAD_REQUESTS.family, BAD_REQUESTS.help, BAD_REQUESTS.labels, registry=self._registry
        )
        self.gauges(BUILD_INFO, lambda: {VERSION: 1.0})

    def gauge(self, metric: Metric, read: Callable[[], float]) -> None:
        """A value that `read` gives at each scrape."""
        gauge = Gauge(metric.family, metric.help, registry=self._registry)
        gauge.set_function(read)

    def gauges(self, metric: Metric, read: Callable[[], Mapping[str, float]]) -> None:
        """Values by the metric's one label, which `read` gives at each scrape."""
        self._registry.register(_Gauges(metric, read))

    def collect(self, collector: Collector) -> None:
        """Add the metrics of another part of the process."""
        self._registry.register(collector)

    def count_review(
        self, endpoint: str, request: AdmissionRequest, outcome: Outcome, seconds: float
    ) -> None:
        kind = _kind(request)
        verdict = "allowed" if outcome.allowed else "denied"
        for reason in outcome.causes or ("",):
            self._reviews(endpoint, kind, verdict, reason).inc()
        self._seconds(endpoint).observe(seconds)
        if outcome.allowed:
            self.count_tolerated(outcome.tolerated, outcome.exemption)

    def count_tolerated(self, tolerated: Iterable[Violation], exemption: str) -> None:
        """Count the tolerated violations of one review or push. Each reason counts once."""
        if exemption:
            self._exemptions.labels(exemption.partition(" ")[0]).inc()
            return
        for reason, mode in dict.fromkeys((found.reason, found.mode or "") for found in tolerated):
            self._would_refuse.labels(reason, mode).inc()

    def count_failure(self, endpoint: str, request: AdmissionRequest) -> None:
        """A review that ended with a 500."""
        self._reviews(endpoint, _kind(request), "failed", "InternalError").inc()

    def count_bad_request(self, code: int) -> None:
        self._rejected.labels(str(code)).inc()

    def render(self) -> bytes:
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, metric: Metric, read: Callable[[], Mapping[str, float]]) -> None:
        self._metric = metric
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        metric = self._metric
        family = GaugeMetricFamily(metric.family, metric.help, labels=metric.labels)
        for label, value in self._read().items():
            family.add_metric([label], value)
        yield family


def _kind(request: AdmissionRequest) -> str:
    """The label of a kind. All unknown kinds share one, so that callers cannot add label values."""
    return request.kind.kind if request.kind.kind in _KINDS else "other"
