"""Whatever happens in whatever order, what is stored never passes a limit."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from app.model.limits import NamespaceLimits
from app.quota import escrow
from app.quota.effective import Effective
from app.quota.escrow import Holding
from app.quota.ledger import Ledger, Reservation, View
from app.quota.members import NONE, Claims
from app.quota.usage import NamespaceUsage
from tests.unit.quota_paths import PATHS, follow
from tests.unit.quota_walk import MAX_ERROR, TIMING, Walk


def first_excess(seed: int, steps: int = 1000) -> str:
    walk = Walk(seed)
    for number in range(steps):
        step = walk.step()
        for excess in walk.excess():
            return f"step {number}, {step}: {excess}"
        latest = walk.now + MAX_ERROR + TIMING.expiry
        assert all(reservation.expires_at <= latest for reservation in walk.ledger)
    return ""


def first_excess_on_paths() -> str:
    for name, seed in product(PATHS, range(8)):
        for walk in follow(name, seed):
            for excess in walk.excess():
                return f"{name}, {seed}: {excess}"
    return ""


def test_hard_paths_pass_no_limit() -> None:
    assert first_excess_on_paths() == ""


@pytest.mark.parametrize("seed", range(60))
def test_a_long_walk_never_passes_a_limit(seed: int) -> None:
    assert first_excess(seed) == ""


def reserve_only_what_is_missing(
    self: Ledger, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    if usage.missing(claims.adds):
        RESERVE(self, holder, claims, usage, expires_at)


def reserve_anew(
    self: Ledger, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    self.cancel(holder)
    RESERVE(self, holder, claims, usage, expires_at)


def settle_early(self: Ledger, usage: NamespaceUsage, view: View) -> bool:
    return SETTLE(self, usage, View(view.position, view.time + TIMING.lag + TIMING.skew))


def settle_member_by_member(self: Ledger, usage: NamespaceUsage, view: View) -> bool:
    """Whatever is seen is taken for stored by whoever claimed it."""
    rows = {row.holder: row for row in self}
    for holder, row in rows.items():
        self.cancel(holder)
        left = usage.missing(row.members)
        if left and row.expires_at > view.time:
            self._put(Reservation(holder, left, row.expires_at, NONE, row.removes))
    return len(self) != len(rows)


def fits_however_much(self: Holding, claims: Claims, limits: NamespaceLimits, now: float) -> bool:
    return now <= self.escrow.usable_until and not claims.removes


def fits_at_any_time(self: Holding, claims: Claims, limits: NamespaceLimits, now: float) -> bool:
    return ADMITS(self, claims, limits, self.escrow.usable_until)


def use_places_for_what_is_missing(
    self: Holding, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    used = self._used
    ADMIT(self, holder, claims, usage, expires_at)
    self._used = used | usage.missing(claims.adds)


def admit_without_the_ledger(
    self: Holding, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    self.unwritten.reserve(holder, claims, usage, expires_at)
    self._used |= claims.adds


def give_back_late(ledger: Ledger, holding: Holding, now: float) -> None:
    GIVE_BACK(ledger, holding, holding.escrow.usable_until)


def give_back_nameless(ledger: Ledger, holding: Holding, now: float) -> None:
    if now <= holding.escrow.usable_until:
        ledger.escrows.pop(holding.escrow.key, None)


def settle_escrows_early(self: Ledger, usage: NamespaceUsage, view: View) -> bool:
    rows = [replace(row, counted_until=row.usable_until) for row in self.escrows.values()]
    self.escrows = {row.key: row for row in rows}
    return SETTLE(self, usage, view)


def is_certain_by_one_member(
    self: Ledger, held: Reservation, usage: NamespaceUsage, view: View
) -> bool:
    hiding = [row for row in self.escrows.values() if row.taken < (held.seen or self.writes)]
    return all(row.lost_at <= view.time for row in hiding)


def nothing_of_streams(self: Holding, usage: NamespaceUsage, streams: set[str]) -> Effective:
    return Effective(NamespaceUsage())


RESERVE, SETTLE = Ledger.reserve, Ledger.settle
ADMITS, ADMIT, GIVE_BACK = Holding.admits, Holding.admit, escrow.give_back
FREES, FREES_IMAGE, FREES_TAG = Effective._frees, Effective._frees_image, Effective._frees_tag
COUNTS_OF = Effective.counts_of
Rule = tuple[object, str, object]


def free_of_escrow(self: Effective, frees: Callable[..., bool], *pair: object) -> bool:
    places, self._places = self._places, 0
    try:
        return frees(self, *pair)
    finally:
        self._places = places


def counts_of_without_places(self: Effective, stream: str) -> tuple[int, int]:
    images, tags = COUNTS_OF(self, stream)
    return images - self._places, tags - self._places


WITHOUT: dict[str, list[Rule]] = {
    "what is stored is reserved as well": [(Ledger, "reserve", reserve_only_what_is_missing)],
    "a retry may be a second request": [(Ledger, "reserve", reserve_anew)],
    "only what nobody else claims is proof": [(Ledger, "settle", settle_member_by_member)],
    "a later claim takes the proof away": [(Ledger, "_share", lambda *_: None)],
    "what was claimed before is no proof": [(Ledger, "_index", lambda _: {})],
    "removed members are relied on by nobody": [
        (Effective, "_is_unsure_image", lambda *_: False),
        (Effective, "_is_unsure_tag", lambda *_: False),
    ],
    "reserved images are freed by nobody": [
        (Effective, "_frees_image", lambda self, pair: self._usage.has_image(*pair)),
        (Effective, "_frees", lambda self, *pair: self._usage.has_image(*pair)),
    ],
    "reserved tags are freed by nobody": [
        (Effective, "_frees_tag", lambda self, pair: self._usage.has_tag(*pair)),
    ],
    "an image is freed by the last stream that has it": [
        (Effective, "_frees", lambda self, *pair: self._frees_image(pair)),
    ],
    "a missing stream's members count once it is made": [(Effective, "_make", lambda *_: None)],
    "whoever makes a stream asks for what is reserved in it": [
        (Effective, "_unmade_tags", lambda *_: 0),
        (Effective, "_unmade_images", lambda *_: set()),
    ],
    "who decides has seen the floor": [(Ledger, "covered_by", lambda *_: True)],
    "a ledger stays until all have seen its floor": [
        (Ledger, "is_spent", lambda self, *_: not self)
    ],
    "a reservation lasts as long as its request": [(Ledger, "settle", settle_early)],
    "everybody else counts an escrow": [(Ledger, "places", 0)],
    "an escrow counts in every stream": [
        (Effective, "counts_of", counts_of_without_places),
    ],
    "an escrow may make any stream": [(Effective, "_exists", Effective._is_known)],
    "no update frees what an escrow may hold": [
        (Effective, "_frees", lambda self, *pair: free_of_escrow(self, FREES, *pair)),
        (Effective, "_frees_image", lambda self, pair: free_of_escrow(self, FREES_IMAGE, pair)),
        (Effective, "_frees_tag", lambda self, pair: free_of_escrow(self, FREES_TAG, pair)),
    ],
    "an escrow has so many places": [(Holding, "admits", fits_however_much)],
    "an escrow is used until it ends": [(Holding, "admits", fits_at_any_time)],
    "what is stored uses a place as well": [(Holding, "admit", use_places_for_what_is_missing)],
    "what the ledger reserves is no proof": [(Holding, "admit", admit_without_the_ledger)],
    "streams have limits of their own": [(Holding, "effective", nothing_of_streams)],
    "what was admitted is named": [(escrow, "give_back", give_back_nameless)],
    "an escrow that has ended is not given back": [(escrow, "give_back", give_back_late)],
    "a lost escrow counts on": [(Ledger, "settle", settle_escrows_early)],
    "an escrow hides proofs": [(Ledger, "_is_certain", lambda *_: True)],
    "a lost escrow hides proofs": [(Ledger, "_is_certain", is_certain_by_one_member)],
}


FOUND = {
    "a retry may be a second request": 33,
    "a later claim takes the proof away": 48,
    "removed members are relied on by nobody": 53,
    "an escrow counts in every stream": 78,
    "an image is freed by the last stream that has it": 106,
}
"""The walks that notice what others seldom do: they are taken first, to save time."""


@pytest.mark.parametrize("rule", WITHOUT)
def test_the_walk_notices_a_rule_that_is_left_out(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, broken in WITHOUT[rule]:
        monkeypatch.setattr(owner, name, broken)

    seeds = [FOUND.get(rule, 0), *range(250)]
    assert first_excess_on_paths() or any(first_excess(seed) for seed in seeds)
