"""Whatever happens in whatever order, what is stored never passes the limit."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.model.limits import NamespaceLimits
from app.policy import image_quota
from app.quota.ledger import Ledger, Reservation, Timing, holder_of
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, quota

EXPIRY = 90.0
STORAGE = 60.0
"""Seconds after which an admitted request is stored or never will be."""
MAX_LAG = 5.0
TIMING = Timing(EXPIRY, lag=MAX_LAG)
LIMIT = 1

STREAMS = st.sampled_from(["app", "web"])
TAGS = st.sampled_from(["v1", "v2", "v3"])
REPLICAS = st.sampled_from([0, 1])


class PushesOnTwoReplicas(RuleBasedStateMachine):
    """Replicas share a ledger; each sees what is stored with a lag of its own."""

    @initialize()
    def start(self) -> None:
        self.now = 1000.0
        self.ledger = Ledger()
        self.stored: set[tuple[str, str]] = set()
        self.history: list[tuple[float, frozenset[tuple[str, str]]]] = [(0.0, frozenset())]
        self.lags = [0.0, MAX_LAG]
        self.in_flight: list[tuple[float, tuple[str, str]]] = []

    @rule(replica=REPLICAS, stream=STREAMS, tag=TAGS)
    def push(self, replica: int, stream: str, tag: str) -> None:
        view = self.now - self.lags[replica]
        usage = self._seen(view)
        claims = Claims("ns", Members(tags=frozenset({(stream, tag)})))
        limits = NamespaceLimits(quotas=(quota(image_tags=LIMIT),))
        self.ledger.settle(usage, now=self.now, view=view, timing=TIMING)
        effective = self.ledger.effective(usage, view)
        assessment = effective.assess(claims)
        if not image_quota.check(claims, assessment, limits, DOMAIN).allowed:
            return
        if image_quota.unsettled(assessment, limits):
            return
        new = usage.missing(claims.adds)
        if not new:
            return
        self.ledger.reserve(Reservation(holder_of(claims.adds), new, self.now, self.now + EXPIRY))
        self.in_flight.append((self.now + STORAGE, (stream, tag)))

    @rule(index=st.integers(0, 20))
    def store(self, index: int) -> None:
        if self.in_flight:
            _, member = self.in_flight.pop(index % len(self.in_flight))
            self.stored.add(member)
            self._remember()

    @rule(index=st.integers(0, 20))
    def fail(self, index: int) -> None:
        if self.in_flight:
            self.in_flight.pop(index % len(self.in_flight))

    @rule(stream=STREAMS, tag=TAGS)
    def delete(self, stream: str, tag: str) -> None:
        self.stored.discard((stream, tag))
        self._remember()

    @rule(seconds=st.sampled_from([0.5, 3.0, 6.0, 31.0, 95.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.in_flight = [entry for entry in self.in_flight if entry[0] >= self.now]

    @rule(replica=REPLICAS, lag=st.sampled_from([0.0, 1.0, MAX_LAG]))
    def lag(self, replica: int, lag: float) -> None:
        self.lags[replica] = lag

    @invariant()
    def the_limit_holds(self) -> None:
        assert len(self.stored) <= LIMIT

    @invariant()
    def nothing_is_reserved_for_ever(self) -> None:
        for reservation in self.ledger:
            assert reservation.expires_at - reservation.claimed_at == EXPIRY

    def _remember(self) -> None:
        self.now += 0.001
        self.history.append((self.now, frozenset(self.stored)))

    def _seen(self, view: float) -> NamespaceUsage:
        seen = [members for at, members in self.history if at <= view][-1]
        usage = NamespaceUsage()
        for stream in {stream for stream, _ in seen}:
            usage.put(stream, StreamUsage({tag: () for name, tag in seen if name == stream}))
        return usage


TestPushesOnTwoReplicas = PushesOnTwoReplicas.TestCase
TestPushesOnTwoReplicas.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
