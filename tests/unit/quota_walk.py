"""A model of a cluster in which events happen in any order, for the tests of exactness."""

import random
from dataclasses import replace
from functools import partial

from app.quota.ledger import PUSH_CHECK, Ledger
from app.quota.members import Claims, Members
from tests.unit.quota_oracle import Oracle
from tests.unit.quota_replica import (
    Admitted,
    InFlight,
    Replica,
    Request,
    SharedLedger,
    Taking,
    Write,
)
from tests.unit.quota_requests import Requests
from tests.unit.quota_world import MAX_ERROR, STORAGE, TIMING, WEBHOOK_TIMEOUT, World


class Walk(Requests):
    """Replicas that share a ledger and the stored objects. Their clocks differ."""

    def __init__(self, seed: int, world: World | None = None) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.world = world or World(self.random)
        self.now = 1000.0
        self.shared = SharedLedger()
        self.replicas = [Replica(self.world.limits) for _ in range(3)]
        self.replicas[2].old = self.world.has_old_replica
        self.in_flight: list[InFlight] = []
        self.late: list[Write] = []
        """Writes in flight for which no replica waits any more."""
        self.places: int | None = None
        """The number of places of an escrow; None: any number of the free places."""
        self.checked: list[Request] = []
        """Pushes with a push check, before and after their review."""
        self.oracle = Oracle(relimits=self.world.relimits)
        self.beat()

    def step(self) -> str:
        [name] = self.random.choices(list(self.world.steps), list(self.world.steps.values()))
        getattr(self, name)()
        self.now += 0.001
        return name

    def make(self) -> None:
        self._ask(self.making(self.random.choice(self.world.streams)))

    def push(self) -> None:
        """A push of a new or an old image to any tag."""
        self._ask(self.pushing(self._name(), self._tag(), self._digest()))

    def check(self) -> None:
        """A push check, which reserves the members that the review of the push will claim."""
        name, tag, digest = self._name(), self._tag(), self._digest()
        pushed = Members(frozenset({name}), frozenset({(name, digest)}), frozenset({(name, tag)}))
        store = partial(self.storage.map, name, {tag: digest})
        self.serial += 1
        self._ask(Request(Claims("ns", pushed), store, f"{PUSH_CHECK}{self.serial}"))

    def follow(self) -> None:
        """The review of a push that was checked."""
        if self.checked:
            checked = self.random.choice(self.checked)
            adds = replace(checked.claims.adds, streams=frozenset())
            self._ask(Request(Claims("ns", adds), checked.store))

    def retry(self) -> None:
        """A retry of a request that may still be in flight. A retried import is a new import."""
        again = [flying.request for flying in self.in_flight if not flying.request.once]
        if again:
            self._ask(self.random.choice(again))

    def update(self) -> None:
        """An update of a whole stream, which removes a tag and adds another."""
        stored = self.storage.stored
        if not stored:
            return
        name = self.random.choice(sorted(stored))
        left = sorted(stored[name])
        gone = self.random.choice(left) if left else ""
        self._ask(self.updating(name, gone, self._tag(), self._digest()))

    def fetch(self) -> None:
        """An import. Its images are not known in advance, and may be none."""
        tags = self.random.sample(self.world.tags, min(len(self.world.tags), 2))
        brought = {tag: self._digest() for tag in tags if self.random.random() < 0.9}
        self._ask(self.importing(self._name(), tags, brought))

    def store(self) -> None:
        if self.in_flight:
            self.store_one(self.in_flight.pop(self.random.randrange(len(self.in_flight))))

    def store_one(self, flying: InFlight) -> None:
        """Store a request, if it may still be stored."""
        if flying.until < self.now:
            return
        before = self.storage.counts()
        flying.request.store()
        self.oracle.judge(before, self.storage.counts(), flying)

    def fail(self) -> None:
        if self.in_flight:
            self.in_flight.pop(self.random.randrange(len(self.in_flight)))

    def cancel(self) -> None:
        """Cancel the reservation of a push check: the push has failed, or seems to have failed."""
        if self.checked:
            failed = self.checked.pop(self.random.randrange(len(self.checked)))
            ledger = self.shared.ledger.copy()
            if ledger.cancel(failed.holder):
                self.shared.save(ledger, self.shared.version)

    def delete(self) -> None:
        pairs = [(name, tag) for name, tags in self.storage.stored.items() for tag in tags]
        if pairs:
            self.storage.delete_tag(*self.random.choice(sorted(pairs)))

    def delete_stream(self) -> None:
        if self.storage.stored:
            self.storage.delete_stream(self.random.choice(sorted(self.storage.stored)))

    def wait(self) -> None:
        waits = [0.5, 3.0, 4.5, 68.0]
        # Until the last moment at which a request in flight may be stored.
        waits += [max(flying.until - self.now - 0.01, 0.0) for flying in self.in_flight[:1]] * 2
        self.now += self.random.choice(waits)
        self.in_flight = [flying for flying in self.in_flight if flying.until >= self.now]

    def beat(self) -> None:
        """A heartbeat, with the time of its writer."""
        self.storage.beat(self.now + self.random.choice(self.replicas).error)

    def set_clock(self) -> None:
        self.random.choice(self.replicas).error = self.random.choice([0.0, -MAX_ERROR, MAX_ERROR])

    def relimit(self) -> None:
        """Lower or raise limits, also while replicas hold escrows."""
        self.world.relimit()

    def hear(self) -> None:
        """Let a replica see the present limits."""
        self.random.choice(self.replicas).limits = self.world.limits

    def tidy(self) -> None:
        """Let the leader tidy the ledger, as it does from time to time."""
        asked = self.random.choice(self.replicas)
        asked.read(self.storage, 1000)
        self.tidy_by(asked)

    def tidy_by(self, asked: Replica) -> None:
        sight = asked.sight(self.now)
        if sight is None or not asked.may_read(self.shared):
            return
        asked.load(self.shared)
        ledger = self.shared.ledger.copy()
        if ledger.is_spent(sight.now, TIMING):
            self.shared.save(Ledger(), self.shared.version)
        elif ledger.covered_by(asked.view, TIMING) and ledger.begin(
            sight.usage, sight.view, sight.now
        ):
            self.shared.save(ledger, self.shared.version, by_old=self.shared.by_old)

    def give_back(self) -> None:
        """Let a replica give its escrow back, because it is idle or another replica recalls it."""
        asked = self.random.choice(self.replicas)
        asked.read(self.storage, self.random.choice([0, 1, 1000]))
        self.give_back_by(asked, take=self._takes())

    def give_back_by(self, asked: Replica, *, take: bool = False) -> None:
        sight = asked.sight(self.now)
        if sight is None or asked.holding is None or asked.sent:
            return
        asked.load(self.shared)
        begun = asked.begin(sight)
        if begun is not None:
            write = Write(begun[0], self.shared.version, asked.limits)
            self._send(asked, asked.with_escrow(write, sight, self._share) if take else write)

    def crash(self) -> None:
        crashed = self.random.choice(self.replicas)
        self.late += [write for write in (crashed.frozen, crashed.sent) if write]
        crashed.crash()

    def thaw(self) -> None:
        """Let a frozen replica go on with its write. Its answer may be too late."""
        frozen = [replica for replica in self.replicas if replica.frozen]
        if frozen:
            thawed = self.random.choice(frozen)
            write, thawed.frozen = thawed.frozen, None
            assert write is not None
            self._send(thawed, write)

    def hear_back(self) -> None:
        """Let a replica get the answer to its write."""
        waiting = [replica for replica in self.replicas if replica.sent and not replica.frozen]
        if waiting:
            told = self.random.choice(waiting)
            write, told.sent = told.sent, None
            assert write is not None
            if self.random.random() < 0.2:
                told.escrows.doubt("ns", write.taken)
                self.late.append(write)
            else:
                self._arrived(told, write)

    def arrive(self) -> None:
        """Let a write arrive for whose answer no replica waits."""
        if self.late:
            write = self.late.pop(self.random.randrange(len(self.late)))
            self.shared.save(write.ledger, write.version)

    def _ask(self, request: Request) -> None:
        """Have a request decided by any replica, on the part of the log that it has read."""
        asked, chance = self.random.choice(self.replicas), self.random.random
        asked.read(self.storage, self.random.choice([0, 1, 1, 2, 1000]))
        stale = chance() < self.world.stale
        self.decide(asked, request, take=self._takes(), stale=stale)

    def decide(
        self, asked: Replica, request: Request, *, take: bool, stale: bool = False
    ) -> InFlight | None:
        """None for a request that is not admitted, or not yet. `stale`: the replica has not seen
        the last writes of the ledger."""
        sight = asked.sight(self.now)
        if sight is None:
            return None
        admitted = asked.from_escrow(request, sight)
        if admitted:
            return self._admit(admitted, self.now, asked)
        if asked.sent:
            return None
        if not stale:
            asked.load(self.shared)
        if not asked.may_read(self.shared):
            return None
        write = asked.on_ledger(request, sight)
        if write is None:
            return None
        if take:
            write = asked.with_escrow(write, sight, self._share)
        if self.random.random() < self.world.freezes:
            asked.frozen = write
            return None
        return self._send(asked, write)

    def _send(self, sender: Replica, write: Write) -> InFlight | None:
        if not sender.old and self.random.random() < self.world.doubts:
            sender.escrows.doubt("ns", write.taken)
            self.late.append(write)
            if self.random.random() < 0.5:
                self.arrive()
            return None
        if self.random.random() < self.world.slow:
            sender.sent = write
            sender.escrows.send("ns", write.taken)
            return None
        return self._arrived(sender, write)

    def _arrived(self, sender: Replica, write: Write) -> InFlight | None:
        if not sender.send(write, self.shared):
            return None
        sender.taking = Taking(self.oracle.count, write.limits.version)
        if write.admitted is None or self.now - write.decided_at >= WEBHOOK_TIMEOUT:
            return None
        return self._admit(write.admitted, write.decided_at, sender)

    def _admit(self, admitted: Admitted, at: float, by: Replica) -> InFlight:
        flying = InFlight(at + STORAGE, admitted.request, self.oracle.count, by.taking)
        self.oracle.admitted.append(admitted)
        if admitted.request.holder.startswith(PUSH_CHECK):
            self.checked.append(admitted.request)
        else:
            self.in_flight.append(flying)
        return flying

    def _takes(self) -> bool:
        return self.random.random() < self.world.takes

    def _share(self, left: int) -> int:
        return self.places or self.random.randint(1, left)

    def _name(self) -> str:
        return self.random.choice(sorted(self.storage.stored) or self.world.streams)

    def _tag(self) -> str:
        return self.random.choice(self.world.tags)

    def _digest(self) -> str:
        self.serial += 1
        if not self.world.digests or self.random.random() < self.world.new_digests:
            return f"digest-{self.serial}"
        return self.random.choice(self.world.digests)
