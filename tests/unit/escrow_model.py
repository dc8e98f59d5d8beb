"""Two replicas, one namespace, limit 2: every order of events, up to a bound.

The model runs the service's own decisions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.admission.decision import Sight, admit_from, begin, decide_on, take_escrow
from app.model.limits import NamespaceLimits
from app.quota.escrow import Holding, headroom
from app.quota.ledger import Ledger
from app.quota.members import Claims, Members, holder_of
from app.quota.usage import NamespaceUsage, StreamUsage
from app.quota.view import Timing, View
from tests.unit.stores import DOMAIN, quota

LIMIT = 2
LIMITS = NamespaceLimits(quotas=(quota(image_tags=LIMIT),))
STORAGE = LAG = LIFE = 1.0
"""Ticks for which a request may be stored, a view may be old, and an escrow is usable."""
TIMING = Timing(expiry=STORAGE + LAG + 0.5, lag=LAG, skew=0.5)
"""Less than a tick of skew: no clock shows the order of events in one tick."""
TAGS = ("a", "b", "c")


@dataclass(frozen=True)
class Replica:
    stored: frozenset[str] = frozenset()
    """The stored tags, as the replica has seen them."""
    position: int = 0
    heard: float = 0.0
    holding: Holding | None = None
    sent: Ledger | None = None
    """The write in flight that renews the escrow."""
    sent_on: int = 0
    """The version of the ledger that the write replaces."""
    arriving: Holding | None = None
    """The escrow that the write takes."""


FIRST = Replica(stored=frozenset({"a"}))


@dataclass(frozen=True)
class State:
    ledger: Ledger
    replicas: tuple[Replica, Replica]
    now: float = 0.0
    position: int = 0
    stored: frozenset[str] = frozenset()
    flying: tuple[tuple[str, float], ...] = ()
    """Requests in flight: the tag, and the last tick at which the request may be stored."""
    pushes: int = 0
    deletes: int = 0
    ticks: int = 0
    crashes: int = 0
    renewals: int = 0
    version: int = 0

    @property
    def key(self) -> object:
        """States with equal keys have equal futures. Of positions and writes only the order counts,
        and of times only the distance from now."""
        now, ledger = self.now, self.ledger
        at = sorted({self.position, ledger.floor.position, *(r.position for r in self.replicas)})
        held = [one for r in self.replicas for one in (r.holding, r.arriving) if one]
        ledgers = [ledger, *(r.sent for r in self.replicas if r.sent is not None)]
        writes = {row.seen for one in ledgers for row in one}
        writes |= {one.taken for each in ledgers for one in each.escrows.values()}
        order = sorted(writes | {one.escrow.taken for one in held})
        owners = {one.escrow.key: number for number, one in enumerate(held)}

        def rows(of: Ledger) -> object:
            return frozenset(
                (row.holder, row.expires_at - now, row.shared, row.seen and order.index(row.seen))
                for row in of
            )

        def old(time: float) -> float:
            return max(time - now, -2 * TIMING.expiry)

        def escrows(of: Ledger) -> object:
            return frozenset(
                (
                    owners.get(one.key, -1),
                    one.places,
                    order.index(one.taken),
                    one.usable_until - now,
                )
                for one in of.escrows.values()
            )

        def holding(of: Holding | None) -> object:
            return of and (of.escrow.usable_until - now, of._used, rows(of.unwritten))

        return (
            self.stored,
            tuple(sorted((tag, until - now) for tag, until in self.flying)),
            (self.pushes, self.deletes, self.ticks, self.crashes, self.renewals),
            (at.index(self.position), at.index(ledger.floor.position), old(ledger.floor.set_at)),
            rows(ledger),
            escrows(ledger),
            tuple(
                (
                    (replica.stored, at.index(replica.position), old(replica.heard)),
                    (holding(replica.holding), holding(replica.arriving)),
                    replica.sent is not None
                    and (
                        replica.sent_on == self.version,
                        (rows(replica.sent), escrows(replica.sent)),
                        old(replica.sent.floor.set_at),
                    ),
                )
                for replica in self.replicas
            ),
        )


def successors(state: State, most: State) -> Iterator[State]:
    """Every possible next event. `most` bounds the number of some kinds of events."""
    for number, replica in enumerate(state.replicas):
        yield from of_replica(state, most, number, replica)
    for index, (tag, _) in enumerate(state.flying):
        landed = replace(state, flying=state.flying[:index] + state.flying[index + 1 :])
        yield stored_as(landed, state.stored | {tag})
    if state.deletes < most.deletes:
        for tag in state.stored:
            yield stored_as(replace(state, deletes=state.deletes + 1), state.stored - {tag})
    if state.ticks < most.ticks:
        now = state.now + 1
        flying = tuple(one for one in state.flying if one[1] >= now)
        yield replace(state, now=now, flying=flying, ticks=state.ticks + 1)


def stored_as(state: State, stored: frozenset[str]) -> State:
    return replace(state, stored=stored, position=state.position + 1)


def of_replica(state: State, most: State, number: int, replica: Replica) -> Iterator[State]:
    if (replica.position, replica.heard) != (state.position, state.now):
        read = replace(replica, stored=state.stored, position=state.position, heard=state.now)
        yield with_replica(state, number, read)
    if replica.holding and state.crashes < most.crashes:
        crashed = replace(state, crashes=state.crashes + 1)
        yield with_replica(crashed, number, replace(replica, holding=None, arriving=None))
    if replica.sent is not None:
        yield arrived(state, number, replica, replica.sent)
    sight = sight_of(state, replica)
    if state.now - replica.heard > LAG:
        return
    if state.pushes < most.pushes:
        for tag in TAGS[: state.pushes + 2]:
            yield from pushed(replace(state, pushes=state.pushes + 1), number, sight, tag)
    if replica.sent is None and state.ledger.covered_by(sight.view, TIMING):
        ledger = state.ledger.copy()
        begin(ledger, copied(replica.holding), sight)
        yield with_replica(written(state, ledger), number, replace(replica, holding=None))
        if replica.holding and state.renewals < most.renewals:
            yield renewing(state, number, sight, ledger.copy())


def written(state: State, ledger: Ledger) -> State:
    return replace(state, ledger=ledger, version=state.version + 1)


def renewing(state: State, number: int, sight: Sight, ledger: Ledger) -> State:
    """Start a write that renews an escrow. Until its answer, both escrows may be used."""
    replica = state.replicas[number]
    left = headroom(ledger, sight.usage, LIMITS)
    taken = None
    if left and left > 0:
        taken = take_escrow(ledger, f"{number}/{ledger.writes}", 1, LIFE, sight)
        taken.before = replica.holding
    sent = replace(replica, sent=ledger, sent_on=state.version, arriving=taken)
    return with_replica(replace(state, renewals=state.renewals + 1), number, sent)


def arrived(state: State, number: int, replica: Replica, ledger: Ledger) -> State:
    """The write succeeds on its version only. If it fails, the old escrow keeps the tags."""
    told = replace(replica, sent=None, arriving=None)
    taken, held = copied(replica.arriving), copied(replica.holding)
    if replica.sent_on == state.version:
        if taken:
            taken.before = None
        return with_replica(written(state, ledger), number, replace(told, holding=taken))
    if taken and held:
        held.take_back(taken)
    return with_replica(state, number, replace(told, holding=held))


def sight_of(state: State, replica: Replica) -> Sight:
    usage = NamespaceUsage()
    usage.put("app", StreamUsage(dict.fromkeys(replica.stored, ())))
    view = View(replica.position, replica.heard)
    return Sight(usage, view, state.now, LIMITS, TIMING, DOMAIN)


def pushed(state: State, number: int, sight: Sight, tag: str) -> Iterator[State]:
    claims = Claims("ns", Members(tags=frozenset({("app", tag)})))
    replica, holder = state.replicas[number], holder_of(claims)
    flying = replace(state, flying=(*state.flying, (tag, state.now + STORAGE)))
    arriving = copied(replica.arriving)
    if arriving and admit_from(arriving, holder, claims, sight):
        yield with_replica(flying, number, replace(replica, arriving=arriving))
    if replica.sent is not None:
        return
    holding = copied(replica.holding)
    if holding and admit_from(holding, holder, claims, sight):
        yield with_replica(flying, number, replace(replica, holding=holding))
        return
    if not state.ledger.covered_by(sight.view, TIMING):
        return
    ledger = state.ledger.copy()
    effective = begin(ledger, copied(replica.holding), sight)
    if not decide_on(ledger, effective, holder, claims, sight).allowed:
        return
    left = headroom(ledger, sight.usage, LIMITS)
    taken = (
        take_escrow(ledger, f"{number}/{ledger.writes}", 1, LIFE, sight)
        if left and left > 0
        else None
    )
    yield with_replica(written(flying, ledger), number, replace(replica, holding=taken))


def with_replica(state: State, number: int, replica: Replica) -> State:
    first, second = state.replicas
    return replace(state, replicas=(replica, second) if number == 0 else (first, replica))


def copied(holding: Holding | None) -> Holding | None:
    return holding and replace(holding, unwritten=holding.unwritten.copy())


def explore(most: State) -> Iterator[State]:
    """Every reachable state, once. At the start, a tag is stored, and the first replica holds all
    other places in escrow."""
    ledger, sight = Ledger(), sight_of(State(Ledger(), (FIRST, FIRST)), FIRST)
    begin(ledger, None, sight)
    holding = take_escrow(ledger, "0/first", 1, LIFE, sight)
    start = State(ledger, (replace(FIRST, holding=holding), FIRST), stored=FIRST.stored)
    known, waiting = {start.key}, [start]
    while waiting:
        state = waiting.pop()
        yield state
        for after in successors(state, most):
            if after.key not in known:
                known.add(after.key)
                waiting.append(after)


def places_in_the_end(state: State) -> int:
    """The free places after all requests have ended and all reservations have expired."""
    now = state.now + LIFE + 2 * TIMING.expiry
    replica = Replica(state.stored, state.position, now)
    sight = sight_of(replace(state, now=now), replica)
    ledger = state.ledger.copy()
    begin(ledger, None, sight)
    left = headroom(ledger, sight.usage, LIMITS)
    assert left is not None
    return left


def bounds(
    pushes: int, deletes: int = 0, ticks: int = 0, crashes: int = 0, renewals: int = 0
) -> State:
    most = State(Ledger(), (FIRST, FIRST), renewals=renewals)
    return replace(most, pushes=pushes, deletes=deletes, ticks=ticks, crashes=crashes)
