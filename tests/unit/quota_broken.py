"""Variants of the code of the ledger and of escrows, each without one rule."""

from collections.abc import Callable
from dataclasses import replace

from app.admission.escrows import Escrows
from app.model.limits import NamespaceLimits
from app.quota import effective, escrow
from app.quota.effective import EffectiveUsage
from app.quota.escrow import Holding
from app.quota.ledger import Escrow, Ledger, Reservation
from app.quota.members import NONE, Claims, Member, Members
from app.quota.usage import EarlierStreams, NamespaceUsage, StreamUsage
from app.quota.view import Timing, View
from tests.unit.quota_world import TIMING


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
    """Drop each stored member from every reservation that claims it, proof or not."""
    rows = {row.holder: row for row in self}
    for holder, row in rows.items():
        self.cancel(holder)
        left = usage.missing(row.members)
        if left and row.expires_at > view.time:
            self._put(Reservation(holder, left, row.expires_at, NONE, row.removes))
    return len(self) != len(rows)


def fits_however_much(self: Holding, claims: Claims, limits: NamespaceLimits, now: float) -> bool:
    usable = now <= self.escrow.usable_until and limits == self.limits
    return usable and not claims.removes


def places_before(self: Holding) -> int:
    return self.escrow.places if self.before is None else self.before.left


def gone_since_the_last_write(self: Holding, usage: NamespaceUsage, name: str) -> Members:
    return GONE(replace(self, before=None), usage, name)


def effective_as_if_nothing_had_left(
    self: Holding, usage: NamespaceUsage, streams: set[str]
) -> EffectiveUsage:
    found = EFFECTIVE(replace(self, earlier=EarlierStreams(), before=None), usage, streams)
    for name in streams:
        found.add(self._gone(usage, name))
    return found


def fits_under_any_limits(
    self: Holding, claims: Claims, limits: NamespaceLimits, now: float
) -> bool:
    return ADMITS(self, claims, self.limits, now)


def fits_whatever_it_removes(
    self: Holding, claims: Claims, limits: NamespaceLimits, now: float
) -> bool:
    return ADMITS(self, replace(claims, removes=NONE), limits, now)


def fits_at_any_time(self: Holding, claims: Claims, limits: NamespaceLimits, now: float) -> bool:
    return ADMITS(self, claims, limits, self.escrow.usable_until)


def use_places_for_what_is_missing(
    self: Holding, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    used = self._used
    ADMIT(self, holder, claims, usage, expires_at)
    self._used = used | usage.missing(claims.adds)


def use_places_for_what_nobody_has_reserved(
    self: Holding, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    used = self._used
    ADMIT(self, holder, claims, usage, expires_at)
    self._used = used | self.ledger.unclaimed(claims.adds)


def admit_without_the_ledger(
    self: Holding, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    self.unwritten.reserve(holder, claims, usage, expires_at)
    self._used |= claims.adds


def give_back_as_if_in_time(ledger: Ledger, holding: Holding, now: float) -> None:
    GIVE_BACK(ledger, holding, holding.escrow.usable_until)


def keep_for_one_reservation(self: Ledger, holder: str, members: Members, until: float) -> None:
    KEEP(self, holder, members, until - TIMING.expiry)


def keep_until_it_is_seen(self: Ledger, holder: str, members: Members, until: float) -> None:
    self.name(Reservation(holder, members, until))


def give_back_nameless(ledger: Ledger, holding: Holding, now: float) -> None:
    ledger.escrows.pop(holding.escrow.key, None)


def settle_escrows_early(self: Ledger, usage: NamespaceUsage, view: View) -> bool:
    rows = [replace(row, counted_until=row.usable_until) for row in self.escrows.values()]
    self.escrows = {row.key: row for row in rows}
    return SETTLE(self, usage, view)


def take_that_is_lost_at_its_end(
    ledger: Ledger, key: str, places: int, usable_until: float, timing: Timing
) -> Escrow:
    taken = replace(TAKE(ledger, key, places, usable_until, timing), lost_at=usable_until)
    ledger.escrows[key] = taken
    return taken


def take_that_counts_once(
    ledger: Ledger, key: str, places: int, usable_until: float, timing: Timing
) -> Escrow:
    until = usable_until + timing.expiry
    taken = replace(TAKE(ledger, key, places, usable_until, timing), counted_until=until)
    ledger.escrows[key] = taken
    return taken


def share_and_stay_seen(self: Ledger, holder: str, member: Member) -> None:
    seen = self._by_holder[holder].seen
    SHARE(self, holder, member)
    self._by_holder[holder] = replace(self._by_holder[holder], seen=seen)


def covered_by_any_time(self: Ledger, view: View, timing: Timing) -> bool:
    return view.position >= self.floor.position or view.time >= self.floor.set_at


def spent_by_one_clock(self: Ledger, now: float, timing: Timing) -> bool:
    return not (self._by_holder or self.escrows) and now >= self.floor.set_at + timing.lag


def written_in_spite_of_doubt(self: Escrows, namespace: str, taken: Holding | None) -> None:
    """The replica goes on to use an escrow that its lost write may have given back."""


def held_in_any_ledger(self: Escrows, namespace: str, ledger: Ledger) -> Holding | None:
    return HELD_IN(self, namespace, ledger) or self.held(namespace)


def is_certain_by_one_member(
    self: Ledger, held: Reservation, usage: NamespaceUsage, view: View
) -> bool:
    hiding = [row for row in self.escrows.values() if row.taken < (held.seen or self.writes)]
    return all(row.lost_at <= view.time for row in hiding)


def states_of_now(self: Holding, usage: NamespaceUsage, name: str) -> set[StreamUsage]:
    return {usage.streams[name]} if name in usage.streams else set()


def nothing_of_streams(self: Holding, usage: NamespaceUsage, streams: set[str]) -> EffectiveUsage:
    return EffectiveUsage(NamespaceUsage())


RESERVE, SETTLE, SHARE, KEEP = Ledger.reserve, Ledger.settle, Ledger._share, Ledger.keep
ADMITS, ADMIT, GONE = Holding.admits, Holding.admit, Holding._gone
HELD_IN = Escrows.held_in
GIVE_BACK, TAKE = escrow.give_back, escrow.take
FREES, FREES_IMAGE, FREES_TAG = (
    EffectiveUsage._frees,
    EffectiveUsage._frees_image,
    EffectiveUsage._frees_tag,
)
NEW_AND_UNSURE = effective._new_and_unsure
COUNTS_OF, EFFECTIVE = EffectiveUsage.counts_of, Holding.effective


def free_of_escrow(self: EffectiveUsage, frees: Callable[..., bool], *pair: object) -> bool:
    places, self._places = self._places, 0
    try:
        return frees(self, *pair)
    finally:
        self._places = places


def counts_of_without_places(self: EffectiveUsage, stream: str) -> tuple[int, int]:
    images, tags = COUNTS_OF(self, stream)
    return images - self._places, tags - self._places
