"""A cluster in miniature, in which everything happens in any order: for the tests of exactness."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from app.admission.decision import Sight, admit_from, begin, decide_on, take_escrow
from app.model.limits import NamespaceLimits
from app.quota.escrow import Holding, headroom
from app.quota.ledger import PUSH_CHECK, Ledger, Timing, View
from app.quota.members import Claims, Members, holder_of
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
    "follow": 5, "cancel": 1, "retry": 4, "give_back": 6, "crash": 1,
}  # fmt: skip
ESCROW = 8.0
"""Seconds for which an escrow is usable."""
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
    holding: Holding | None = None

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
        narrow = chance.random() < 0.5
        self.streams = ["app", "web", "db"][: 1 if narrow else chance.randint(1, 3)]
        self.tags = ["v1", "v2", "v3"][: chance.randint(1, 3)]
        self.digests = ["d1", "d2"][: 1 if narrow else chance.randint(0, 2)]
        """Images that come again and again, beside new ones."""
        self.new_digests = 0.3 if narrow else 0.6
        """How often an image is a new one."""
        top = 2 if narrow else 5
        self.takes = chance.choice([0.0, 0.5, 1.0])
        """How often a replica that writes takes an escrow."""
        self.steps = {
            step: weight * (1 if step in ALWAYS else chance.choice([0.0, 0.3, 1.0, 3.0]))
            for step, weight in STEPS.items()
        }
        self.limit(
            streams=chance.randint(1, 3),
            tags=chance.randint(1, top),
            images=chance.randint(1, top),
            tags_of_stream=chance.randint(1, 3),
            images_of_stream=chance.randint(1, 3),
        )

    def limit(self, **most: int) -> None:
        """Of `streams`, `tags`, `images`, `tags_of_stream` and `images_of_stream`; 9 where none is
        given."""
        names = ("streams", "tags", "images", "tags_of_stream", "images_of_stream")
        self.most = {name: most.get(name, 9) for name in names}
        self.limits = NamespaceLimits(
            quotas=(
                quota(image_tags=self.most["tags"], images=self.most["images"]),
                quota(imagestreams=self.most["streams"]),
            ),
            stream_tags=limit(str(self.most["tags_of_stream"])),
            stream_images=limit(str(self.most["images_of_stream"])),
        )


class Walk:
    """Replicas share a ledger. What is stored, and the heartbeats between, are a log that each
    reads at its own pace; their clocks differ."""

    def __init__(self, seed: int, world: World | None = None) -> None:
        self.random = random.Random(seed)
        self.world = world or World(self.random)
        self.now = 1000.0
        self.serial = 0
        self.ledger = Ledger()
        self.stored: Stored = {}
        self.log: list[float | Stored] = []
        self.replicas = [Replica(), Replica(), Replica()]
        self.in_flight: list[InFlight] = []
        self.places: int | None = None
        """How many an escrow has; any number that is left if None."""
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
            "streams": (len(every), self.world.most["streams"]),
            "tags": (sum(map(len, every)), self.world.most["tags"]),
            "images": (len(_images(*every)), self.world.most["images"]),
        }
        for name, tags in self.stored.items():
            counts[f"tags of {name}"] = len(tags), self.world.most["tags_of_stream"]
            counts[f"images of {name}"] = len(_images(tags)), self.world.most["images_of_stream"]
        for what, (count, most) in counts.items():
            if count > most:
                yield f"{what}: {count} of {most}"

    def make(self) -> None:
        self._ask(self.making(self.random.choice(self.world.streams)))

    def making(self, name: str) -> Request:
        return Request(Claims("ns", Members(frozenset({name}))), partial(self._make, name))

    def push(self) -> None:
        """Of a new image or one that was there before, to any tag."""
        self._ask(self.pushing(self._name(), self._tag(), self._digest()))

    def pushing(self, name: str, tag: str, digest: str) -> Request:
        pushed = Members(images=frozenset({(name, digest)}), tags=frozenset({(name, tag)}))
        return Request(Claims("ns", pushed), partial(self._store, name, {tag: digest}))

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
        left = sorted(self.stored[name])
        gone = self.random.choice(left) if left else ""
        self._ask(self.updating(name, gone, self._tag(), self._digest()))

    def updating(self, name: str, gone: str, tag: str, digest: str) -> Request:
        old = self.stored.get(name, {})
        new = {key: kept for key, kept in old.items() if key != gone} | {tag: (digest,)}
        before, after = StreamUsage(old).members(name), StreamUsage(new).members(name)
        claims = Claims("ns", after - before, before - after)
        return Request(claims, partial(self._replace, name, old, new))

    def fetch(self) -> None:
        """An import: nobody knows which images will come, or whether."""
        tags = self.random.sample(self.world.tags, min(len(self.world.tags), 2))
        brought = {tag: self._digest() for tag in tags if self.random.random() < 0.9}
        self._ask(self.importing(self._name(), tags, brought))

    def importing(self, name: str, tags: list[str], brought: dict[str, str]) -> Request:
        self.serial += 1
        unknown = {(name, f"unknown-{self.serial}-{tag}") for tag in tags}
        adds = Members(frozenset({name}), frozenset(unknown), frozenset((name, t) for t in tags))
        return Request(Claims("ns", adds), partial(self._import, name, brought), once=True)

    def store(self) -> None:
        if self.in_flight:
            flying = self.in_flight.pop(self.random.randrange(len(self.in_flight)))
            if flying.until >= self.now:
                flying.request.store()

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
            self.delete_tag(*self.random.choice(sorted(pairs)))

    def delete_tag(self, name: str, tag: str) -> None:
        if name in self.stored:
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
        self.read(asked, 1000)
        self.tidy_by(asked)

    def tidy_by(self, asked: Replica) -> None:
        sight = self._sight(asked)
        if sight is None or not self.ledger.covered_by(asked.view, TIMING):
            return
        if self.ledger.is_spent(sight.now, TIMING):
            self.ledger = Ledger()
            return
        ledger = self.ledger.copy()
        if ledger.begin(sight.usage, sight.view, sight.now):
            self.ledger = ledger

    def give_back(self) -> None:
        """What a replica does that is asked to, or has nothing to do."""
        asked = self.random.choice(self.replicas)
        self.read(asked, self.random.choice([0, 1, 1000]))
        self.give_back_by(asked, take=self.random.random() < self.world.takes)

    def give_back_by(self, asked: Replica, *, take: bool = False) -> None:
        sight = self._sight(asked)
        if sight and asked.holding and self.ledger.covered_by(asked.view, TIMING):
            ledger = self.ledger.copy()
            begin(ledger, asked.holding, sight)
            self._write(asked, ledger, sight, take=take)

    def crash(self) -> None:
        """A replica forgets what it has admitted and not written."""
        self.random.choice(self.replicas).holding = None

    def _ask(self, request: Request) -> None:
        """Have a request decided; an allowed one is on its way to storage."""
        admitted = self._decide(request)
        if admitted is not None:
            self.in_flight.append(InFlight(self.now + STORAGE, admitted))

    def _decide(self, request: Request) -> Request | None:
        """By any replica on what it has read until then; None for a refusal."""
        asked = self.random.choice(self.replicas)
        self.read(asked, self.random.choice([0, 1, 1, 2, 1000]))
        return self.decide(asked, request, take=self.random.random() < self.world.takes)

    def decide(self, asked: Replica, request: Request, *, take: bool) -> Request | None:
        sight = self._sight(asked)
        if sight is None:
            return None
        self.serial += 1
        claims, holder = request.claims, request.holder or holder_of(request.claims)
        admitted = replace(request, holder=holder)
        holding = None if request.holder else asked.holding
        if holding and admit_from(holding, holder, claims, sight):
            return admitted
        if not self.ledger.covered_by(asked.view, TIMING):
            return None
        ledger = self.ledger.copy()
        effective = begin(ledger, asked.holding, sight)
        if not decide_on(ledger, effective, holder, claims, sight).allowed:
            return None
        self._write(asked, ledger, sight, take=take)
        return admitted

    def _sight(self, replica: Replica) -> Sight | None:
        """None if its view is too old to decide on."""
        now, usage = self.now + replica.error, self._usage(replica)
        if now - replica.heard > MAX_LAG:
            return None
        return Sight(usage, replica.view, now, self.world.limits, TIMING, DOMAIN)

    def _write(self, replica: Replica, ledger: Ledger, sight: Sight, *, take: bool) -> None:
        replica.holding = None
        left = headroom(ledger, sight.usage, sight.limits)
        if take and left is not None and left > 0:
            key, places = f"escrow-{self.serial}", self.places or self.random.randint(1, left)
            replica.holding = take_escrow(ledger, key, places, ESCROW, sight)
        self.ledger = ledger

    def _name(self) -> str:
        return self.random.choice(sorted(self.stored) or self.world.streams)

    def _tag(self) -> str:
        return self.random.choice(self.world.tags)

    def _digest(self) -> str:
        self.serial += 1
        if not self.world.digests or self.random.random() < self.world.new_digests:
            return f"digest-{self.serial}"
        return self.random.choice(self.world.digests)

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

    def read(self, replica: Replica, events: int) -> None:
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
