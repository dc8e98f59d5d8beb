"""A cluster in miniature, in which everything happens in any order: for the tests of exactness."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from app.model.limits import NamespaceLimits
from app.policy import image_quota
from app.quota.ledger import PUSH_CHECK, Floor, Ledger, Timing, View, holder_of
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, limit, quota

STORAGE = 60.0
"""Seconds after which an admitted request is stored or never will be."""
MAX_LAG = 5.0
MAX_ERROR = 1.0
SKEW = 2 * MAX_ERROR
TIMING = Timing(STORAGE + MAX_LAG + SKEW, lag=MAX_LAG, skew=SKEW)

STEPS = {
    "push": 24, "update": 10, "fetch": 5, "make": 5, "store": 20, "fail": 2, "delete": 8,
    "delete_stream": 2, "tidy": 10, "wait": 6, "beat": 10, "set_clock": 1, "check": 4,
    "follow": 5, "cancel": 1, "retry": 4,
}  # fmt: skip
ALWAYS = frozenset({"push", "make", "store", "beat"})

Tags = dict[str, tuple[str, ...]]
"""The digests of each tag of one stream."""
Stored = dict[str, Tags]


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
class Request:
    claims: Claims
    store: Callable[[], None]
    holder: str = ""
    once: bool = False


@dataclass(frozen=True)
class InFlight:
    until: float
    request: Request


class World:
    """What differs from walk to walk. In a small world with few kinds of steps the rare orders of
    events come often, in a large one there are more of them."""

    def __init__(self, chance: random.Random) -> None:
        self.streams = ["app", "web", "db"][: chance.randint(1, 3)]
        self.tags = ["v1", "v2", "v3"][: chance.randint(1, 3)]
        self.digests = ["d1", "d2"][: chance.randint(0, 2)]
        """Images that come again and again, beside new ones."""
        self.most_streams = chance.randint(1, 2)
        self.most = {"tags": chance.randint(1, 3), "images": chance.randint(1, 3)}
        self.most_of_stream = {"tags": chance.randint(1, 2), "images": chance.randint(1, 2)}
        self.limits = NamespaceLimits(
            quotas=(
                quota(image_tags=self.most["tags"], images=self.most["images"]),
                quota(imagestreams=self.most_streams),
            ),
            stream_tags=limit(str(self.most_of_stream["tags"])),
            stream_images=limit(str(self.most_of_stream["images"])),
        )
        self.steps = {
            step: weight * (1 if step in ALWAYS else chance.choice([0.0, 0.3, 1.0, 3.0]))
            for step, weight in STEPS.items()
        }


class Walk:
    """Replicas share a ledger. What is stored, and the heartbeats between, are a log that each
    reads at its own pace; their clocks differ."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(self.random)
        self.now = 1000.0
        self.serial = 0
        self.ledger = Ledger()
        self.stored: Stored = {}
        self.log: list[float | Stored] = []
        self.replicas = [Replica(), Replica(), Replica()]
        self.in_flight: list[InFlight] = []
        self.checked: list[Request] = []
        """Pushes with a push check, before and after their review."""
        self.beat()

    def step(self) -> str:
        [name] = self.random.choices(list(self.world.steps), list(self.world.steps.values()))
        getattr(self, name)()
        self.now += 0.001
        return name

    def excess(self) -> Iterator[str]:
        """Every limit that what is stored passes."""
        every = list(self.stored.values())
        counts = {
            "streams": (len(every), self.world.most_streams),
            "tags": (sum(map(len, every)), self.world.most["tags"]),
            "images": (len(_images(*every)), self.world.most["images"]),
        }
        for name, tags in self.stored.items():
            counts[f"tags of {name}"] = len(tags), self.world.most_of_stream["tags"]
            counts[f"images of {name}"] = len(_images(tags)), self.world.most_of_stream["images"]
        for what, (count, most) in counts.items():
            if count > most:
                yield f"{what}: {count} of {most}"

    def make(self) -> None:
        name = self.random.choice(self.world.streams)
        claims = Claims("ns", Members(frozenset({name})))
        self._ask(Request(claims, partial(self._make, name)))

    def push(self) -> None:
        """Of a new image or one that was there before, to any tag."""
        name, tag, digest = self._name(), self._tag(), self._digest()
        pushed = Members(images=frozenset({(name, digest)}), tags=frozenset({(name, tag)}))
        self._ask(Request(Claims("ns", pushed), partial(self._store, name, {tag: digest})))

    def check(self) -> None:
        """A push check: it reserves what the review of the push will claim."""
        name, tag, digest = self._name(), self._tag(), self._digest()
        pushed = Members(frozenset({name}), frozenset({(name, digest)}), frozenset({(name, tag)}))
        store = partial(self._store, name, {tag: digest})
        request = Request(Claims("ns", pushed), store, f"{PUSH_CHECK}{self.serial}")
        if self._decide(request) is not None:
            self.checked.append(request)

    def follow(self) -> None:
        """The review of a push that was checked."""
        if self.checked:
            checked = self.random.choice(self.checked)
            adds = replace(checked.claims.adds, streams=frozenset())
            self._ask(Request(Claims("ns", adds), checked.store))

    def retry(self) -> None:
        """Of a request that may still be on its way. An import is never the same one again."""
        again = [flying.request for flying in self.in_flight if not flying.request.once]
        if again:
            self._ask(self.random.choice(again))

    def update(self) -> None:
        """Of a stream as a whole: it takes a tag away and adds another."""
        if not self.stored:
            return
        name = self.random.choice(sorted(self.stored))
        old = self.stored[name]
        new = dict(old)
        if old:
            del new[self.random.choice(sorted(old))]
        new[self._tag()] = (self._digest(),)
        before, after = StreamUsage(old).members(name), StreamUsage(new).members(name)
        claims = Claims("ns", after - before, before - after)
        self._ask(Request(claims, partial(self._replace, name, old, new)))

    def fetch(self) -> None:
        """An import: nobody knows which images will come, or whether."""
        name, self.serial = self._name(), self.serial + 1
        tags = self.random.sample(self.world.tags, min(len(self.world.tags), 2))
        unknown = {(name, f"unknown-{self.serial}-{tag}") for tag in tags}
        adds = Members(frozenset({name}), frozenset(unknown), frozenset((name, t) for t in tags))
        brought = {tag: self._digest() for tag in tags if self.random.random() < 0.9}
        self._ask(Request(Claims("ns", adds), partial(self._import, name, brought), once=True))

    def store(self) -> None:
        if self.in_flight:
            self.in_flight.pop(self.random.randrange(len(self.in_flight))).request.store()

    def fail(self) -> None:
        if self.in_flight:
            self.in_flight.pop(self.random.randrange(len(self.in_flight)))

    def cancel(self) -> None:
        """Of a push check: the push has failed, or seems to have."""
        if self.checked:
            failed = self.checked.pop(self.random.randrange(len(self.checked)))
            self.ledger.cancel(failed.holder)

    def delete(self) -> None:
        pairs = [(name, tag) for name, tags in self.stored.items() for tag in tags]
        if pairs:
            name, tag = self.random.choice(sorted(pairs))
            self._put(name, {key: kept for key, kept in self.stored[name].items() if key != tag})

    def delete_stream(self) -> None:
        if self.stored:
            self._put(self.random.choice(sorted(self.stored)), None)

    def wait(self) -> None:
        waits = [0.5, 3.0, 4.5, 68.0]
        # Until the last moment at which one of the requests on their way may still be stored.
        waits += [max(flying.until - self.now - 0.01, 0.0) for flying in self.in_flight[:1]] * 2
        self.now += self.random.choice(waits)
        self.in_flight = [flying for flying in self.in_flight if flying.until >= self.now]

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

    def _ask(self, request: Request) -> None:
        """Have a request decided; an allowed one is on its way to storage."""
        admitted = self._decide(request)
        if admitted is not None:
            self.in_flight.append(InFlight(self.now + STORAGE, admitted))

    def _decide(self, request: Request) -> Request | None:
        """By a replica on what it has read until then; None for a refusal."""
        asked = self.random.choice(self.replicas)
        self._read(asked, self.random.choice([0, 1, 1, 2, 1000]))
        clock = self.now + asked.error
        ledger, usage = self.ledger.copy(), self._usage(asked)
        if clock - asked.heard > MAX_LAG or not ledger.covered_by(asked.view, TIMING):
            return None
        ledger.settle(usage, asked.view)
        claims, holder = request.claims, request.holder or holder_of(request.claims)
        assessment = ledger.effective(usage).assess(claims)
        verdict = image_quota.check(claims, assessment, self.world.limits, DOMAIN)
        if not (verdict.allowed or ledger.holds(holder, claims)):
            return None
        ledger.floor = Floor(asked.seen, clock)
        ledger.reserve(holder, claims, usage, clock + TIMING.expiry)
        self.ledger = ledger
        return replace(request, holder=holder)

    def _name(self) -> str:
        return self.random.choice(sorted(self.stored) or self.world.streams)

    def _tag(self) -> str:
        return self.random.choice(self.world.tags)

    def _digest(self) -> str:
        self.serial += 1
        return self.random.choice([*self.world.digests, f"digest-{self.serial}"])

    def _make(self, name: str) -> None:
        if name not in self.stored:
            self._put(name, {})

    def _store(self, name: str, images: dict[str, str]) -> None:
        """A mapping; one to a stream that is not there answers 404."""
        if name in self.stored:
            self._import(name, images)

    def _import(self, name: str, images: dict[str, str]) -> None:
        tags = dict(self.stored.get(name, {}))
        for tag, digest in images.items():
            tags[tag] = (digest, *(known for known in tags.get(tag, ()) if known != digest))
        self._put(name, tags)

    def _replace(self, name: str, old: Tags, new: Tags) -> None:
        """An update; one of a stream that has changed meanwhile answers 409."""
        if self.stored.get(name) is old:
            self._put(name, new)

    def _put(self, name: str, tags: Tags | None) -> None:
        self.stored = {key: kept for key, kept in self.stored.items() if key != name}
        if tags is not None:
            self.stored[name] = tags
        self.log.append(self.stored)

    def _read(self, replica: Replica, events: int) -> None:
        for event in self.log[replica.seen : replica.seen + events]:
            replica.seen += 1
            if isinstance(event, float):
                replica.heard = max(replica.heard, event)

    def _usage(self, replica: Replica) -> NamespaceUsage:
        states = (event for event in reversed(self.log[: replica.seen]) if isinstance(event, dict))
        usage = NamespaceUsage()
        for name, tags in next(states, {}).items():
            usage.put(name, StreamUsage(tags))
        return usage


def _images(*streams: Tags) -> set[str]:
    return {digest for tags in streams for digests in tags.values() for digest in digests}
