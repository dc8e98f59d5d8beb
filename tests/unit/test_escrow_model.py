"""Two replicas, one namespace, limit 2: every order of events, up to a bound, is tried.

The model runs the service's own decisions. What is stored never passes the limit, and when
everything has ended, no place is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from app.admission.decision import Sight, admit_from, begin, decide_on, take_escrow
from app.model.limits import NamespaceLimits
from app.quota import escrow
from app.quota.escrow import Holding, headroom
from app.quota.ledger import Ledger, Timing, View
from app.quota.members import Claims, Members, holder_of
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, quota

LIMIT = 2
LIMITS = NamespaceLimits(quotas=(quota(image_tags=LIMIT),))
STORAGE = LAG = LIFE = 1.0
"""Ticks: for which a request may be stored, a view may be old, an escrow is usable."""
TIMING = Timing(expiry=STORAGE + LAG + 0.5, lag=LAG, skew=0.5)
"""Less than a tick of skew: what happens in one tick has an order that no clock tells."""
TAGS = ("a", "b", "c")


@dataclass(frozen=True)
class Replica:
    stored: frozenset[str] = frozenset()
    """As it has seen it."""
    position: int = 0
    heard: float = 0.0
    holding: Holding | None = None


FIRST = Replica(stored=frozenset({"a"}))


@dataclass(frozen=True)
class State:
    ledger: Ledger
    replicas: tuple[Replica, Replica]
    now: float = 0.0
    position: int = 0
    stored: frozenset[str] = frozenset()
    flying: tuple[tuple[str, float], ...] = ()
    """Requests on their way: tag, and until when each may be stored; then it has failed."""
    pushes: int = 0
    deletes: int = 0
    ticks: int = 0
    crashes: int = 0

    @property
    def key(self) -> object:
        """States with equal keys have equal futures: of positions and writes only the order makes
        a difference, and of times how far they are from now."""
        now, ledger = self.now, self.ledger
        at = sorted({self.position, ledger.floor.position, *(r.position for r in self.replicas)})
        held = [replica.holding for replica in self.replicas if replica.holding]
        writes = {row.seen for row in ledger} | {one.taken for one in ledger.escrows.values()}
        order = sorted(writes | {one.escrow.taken for one in held})
        owners = {one.escrow.key: number for number, one in enumerate(held)}

        def rows(of: Ledger) -> object:
            return frozenset(
                (row.holder, row.expires_at - now, row.shared, row.seen and order.index(row.seen))
                for row in of
            )

        def old(time: float) -> float:
            return max(time - now, -2 * TIMING.expiry)

        return (
            self.stored,
            tuple(sorted((tag, until - now) for tag, until in self.flying)),
            (self.pushes, self.deletes, self.ticks, self.crashes),
            (at.index(self.position), at.index(ledger.floor.position), old(ledger.floor.set_at)),
            rows(ledger),
            frozenset(
                (
                    owners.get(one.key, -1),
                    one.places,
                    order.index(one.taken),
                    one.usable_until - now,
                )
                for one in ledger.escrows.values()
            ),
            tuple(
                (
                    (replica.stored, at.index(replica.position), old(replica.heard)),
                    (one := replica.holding)
                    and (one.escrow.usable_until - now, one._used, rows(one.unwritten)),
                )
                for replica in self.replicas
            ),
        )


def successors(state: State, most: State) -> Iterator[State]:
    """Whatever may happen next; `most` bounds how often some of it does."""
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
        yield with_replica(crashed, number, replace(replica, holding=None))
    sight = sight_of(state, replica)
    if state.now - replica.heard > LAG:
        return
    if state.pushes < most.pushes:
        for tag in TAGS[: state.pushes + 2]:
            yield from pushed(replace(state, pushes=state.pushes + 1), number, sight, tag)
    if state.ledger.covered_by(sight.view, TIMING):
        ledger = state.ledger.copy()
        begin(ledger, copied(replica.holding), sight)
        if replica.holding:
            yield with_replica(
                replace(state, ledger=ledger), number, replace(replica, holding=None)
            )
        else:
            yield replace(state, ledger=ledger)


def sight_of(state: State, replica: Replica) -> Sight:
    usage = NamespaceUsage()
    usage.put("app", StreamUsage(dict.fromkeys(replica.stored, ())))
    view = View(replica.position, replica.heard)
    return Sight(usage, view, state.now, LIMITS, TIMING, DOMAIN)


def pushed(state: State, number: int, sight: Sight, tag: str) -> Iterator[State]:
    claims = Claims("ns", Members(tags=frozenset({("app", tag)})))
    replica, holder = state.replicas[number], holder_of(claims)
    flying = replace(state, flying=(*state.flying, (tag, state.now + STORAGE)))
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
    yield with_replica(replace(flying, ledger=ledger), number, replace(replica, holding=taken))


def with_replica(state: State, number: int, replica: Replica) -> State:
    first, second = state.replicas
    return replace(state, replicas=(replica, second) if number == 0 else (first, replica))


def copied(holding: Holding | None) -> Holding | None:
    return holding and replace(holding, unwritten=holding.unwritten.copy())


def explore(most: State) -> Iterator[State]:
    """Every state that can be reached, once: a tag is stored, and the first replica holds what is
    left in escrow."""
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
    """The places that are free once all requests have ended and all that was held has expired."""
    now = state.now + LIFE + 2 * TIMING.expiry
    replica = Replica(state.stored, state.position, now)
    sight = sight_of(replace(state, now=now), replica)
    ledger = state.ledger.copy()
    begin(ledger, None, sight)
    left = headroom(ledger, sight.usage, LIMITS)
    assert left is not None
    return left


def bounds(pushes: int, deletes: int, ticks: int, crashes: int) -> State:
    start = State(Ledger(), (FIRST, FIRST))
    return replace(start, pushes=pushes, deletes=deletes, ticks=ticks, crashes=crashes)


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(bounds(pushes=2, deletes=1, ticks=0, crashes=0), id="a deletion"),
        pytest.param(bounds(pushes=2, deletes=0, ticks=1, crashes=1), id="a crash"),
        pytest.param(bounds(pushes=3, deletes=0, ticks=0, crashes=0), id="three pushes"),
    ],
)
def test_no_order_of_events_passes_the_limit_or_loses_a_place(most: State) -> None:
    count = 0
    for state in explore(most):
        count += 1
        assert len(state.stored) <= LIMIT, state
        assert places_in_the_end(state) == LIMIT - len(state.stored), state
    assert count > 1000, "the model tries too little"


def give_back_nameless(ledger: Ledger, holding: Holding, now: float) -> None:
    del ledger.escrows[holding.escrow.key]


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        pytest.param(Ledger, "places", 0, id="nobody counts an escrow"),
        pytest.param(Holding, "admits", lambda *_: True, id="an escrow has no end"),
        pytest.param(escrow, "give_back", give_back_nameless, id="nothing is named"),
    ],
)
def test_the_model_notices_a_rule_that_is_left_out(
    owner: object, name: str, broken: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)

    assert any(len(state.stored) > LIMIT for state in explore(bounds(2, 1, 0, 0)))
