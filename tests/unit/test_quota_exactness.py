"""Whatever happens in whatever order, what is stored never passes the limit."""

import random
from dataclasses import dataclass

import pytest

from app.model.limits import NamespaceLimits
from app.policy import image_quota
from app.quota.ledger import Floor, Ledger, Reservation, Timing, View, holder_of
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, quota

STORAGE = 60.0
"""Seconds after which an admitted request is stored or never will be."""
MAX_LAG = 5.0
MAX_ERROR = 1.0
SKEW = 2 * MAX_ERROR
TIMING = Timing(STORAGE + MAX_LAG + SKEW, lag=MAX_LAG, skew=SKEW)
LIMIT = 1
LIMITS = NamespaceLimits(quotas=(quota(image_tags=LIMIT),))

Tags = dict[tuple[str, str], tuple[str, ...]]
"""The digests of each (stream, tag)."""

NAMES = [("app", "v1"), ("app", "v2"), ("web", "v1")]
STEPS = {
    "push": 32, "tidy": 14, "store": 14, "fail": 3, "delete": 9, "wait": 9, "beat": 16,
    "set_clock": 3,
}  # fmt: skip
"""How often each is taken, out of a hundred. A walk is long, because it takes up to eight of them
in one order to pass the limit if the ledger forgets a single precaution."""


@dataclass
class Replica:
    """What one replica has seen of the log, and how far its clock is off."""

    error: float = 0.0
    seen: int = 0
    heard: float = 0.0

    @property
    def view(self) -> View:
        return View(self.seen, self.heard)


@dataclass(frozen=True)
class Pushed:
    until: float
    stream: str
    tag: str
    digest: str


class TwoReplicas:
    """They share a ledger. What is stored, and the heartbeats between, are a log that each reads
    at its own pace; their clocks differ."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 1000.0
        self.serial = 0
        self.ledger = Ledger()
        self.stored: Tags = {}
        self.log: list[float | Tags] = []
        self.replicas = [Replica(), Replica()]
        self.in_flight: list[Pushed] = []
        self.beat()

    def step(self) -> str:
        [name] = self.random.choices(list(STEPS), list(STEPS.values()))
        getattr(self, name)()
        self.now += 0.001
        return name

    def push(self) -> None:
        """Of a new image, to any tag; decided on what a replica has read until then."""
        asked, (stream, tag) = self.random.choice(self.replicas), self.random.choice(NAMES)
        self._read(asked, self.random.choice([0, 1, 1, 2, 1000]))
        clock = self.now + asked.error
        if clock - asked.heard > MAX_LAG:
            return
        self.serial += 1
        digest = f"digest-{self.serial}"
        usage = self._usage(asked)
        claims = Claims(
            "ns",
            Members(images=frozenset({(stream, digest)}), tags=frozenset({(stream, tag)})),
        )
        ledger = self.ledger.copy()
        if not ledger.covered_by(asked.view, TIMING):
            return
        ledger.settle(usage, asked.view)
        assessment = ledger.effective(usage).assess(claims)
        if not image_quota.check(claims, assessment, LIMITS, DOMAIN).allowed:
            return
        ledger.floor = Floor(asked.seen, clock)
        expires_at = clock + TIMING.expiry
        ledger.reserve(Reservation(holder_of(claims.adds), claims.adds, expires_at))
        self.ledger = ledger
        self.in_flight.append(Pushed(self.now + STORAGE, stream, tag, digest))

    def store(self) -> None:
        if self.in_flight:
            pushed = self.in_flight.pop(self.random.randrange(len(self.in_flight)))
            key = pushed.stream, pushed.tag
            self.stored[key] = (pushed.digest, *self.stored.get(key, ()))
            self.log.append(dict(self.stored))

    def fail(self) -> None:
        if self.in_flight:
            self.in_flight.pop(self.random.randrange(len(self.in_flight)))

    def delete(self) -> None:
        if self.stored:
            del self.stored[self.random.choice(sorted(self.stored))]
            self.log.append(dict(self.stored))

    def wait(self) -> None:
        self.now += self.random.choice([0.5, 3.0, 3.0, 4.5, 4.5, 58.0, 68.0])
        self.in_flight = [pushed for pushed in self.in_flight if pushed.until >= self.now]

    def beat(self) -> None:
        """A heartbeat, with the time of who writes it."""
        self.log.append(self.now + self.random.choice(self.replicas).error)

    def set_clock(self) -> None:
        self.random.choice(self.replicas).error = self.random.choice([0.0, -MAX_ERROR, MAX_ERROR])

    def tidy(self) -> None:
        """What the leader does with the ledger now and then."""
        asked = self.random.choice(self.replicas)
        self._read(asked, 1000)
        clock = self.now + asked.error
        if clock - asked.heard > MAX_LAG or not self.ledger.covered_by(asked.view, TIMING):
            return
        if self.ledger.settle(self._usage(asked), asked.view):
            self.ledger.floor = Floor(asked.seen, clock)
        elif self.ledger.is_spent(clock, TIMING):
            self.ledger = Ledger()

    def _read(self, replica: Replica, events: int) -> None:
        for event in self.log[replica.seen : replica.seen + events]:
            replica.seen += 1
            if isinstance(event, float):
                replica.heard = max(replica.heard, event)

    def _usage(self, replica: Replica) -> NamespaceUsage:
        states = [event for event in self.log[: replica.seen] if not isinstance(event, float)]
        tags = states[-1] if states else {}
        usage = NamespaceUsage()
        for stream in {stream for stream, _ in tags}:
            own = {tag: digests for (name, tag), digests in tags.items() if name == stream}
            usage.put(stream, StreamUsage(own))
        return usage


@pytest.mark.parametrize("seed", range(100))
def test_a_long_walk_never_passes_the_limit(seed: int) -> None:
    replicas = TwoReplicas(seed)

    for number in range(1000):
        step = replicas.step()

        assert len(replicas.stored) <= LIMIT, f"step {number}, {step}"
        latest = replicas.now + MAX_ERROR + TIMING.expiry
        assert all(reservation.expires_at <= latest for reservation in replicas.ledger)
    assert replicas.serial > 50, "the walk decided on too little"
