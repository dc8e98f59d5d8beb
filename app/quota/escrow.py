"""Escrow: places that a replica takes with one write, and gives out by itself.

Everybody else counts them all, in the namespace and in each of its streams. So the replica needs
no ledger to admit requests: each member that it admits uses one of its places, whether or not it
is stored or reserved already, and uses it once. Its next write names what it has admitted, gives
the places back, and takes others. Until that write has arrived, what is admitted must fit into the
places before and after it. See docs/reference/ledger.md for the rules.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from app.model.limits import NamespaceLimits
from app.quota.effective import Effective
from app.quota.ledger import Escrow, Ledger, Reservation, Timing
from app.quota.members import NONE, Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage

_SHARE = 8
"""An escrow is at most this part of what is left of each limit, and of the lowest stream limit."""
_LEAST, _MOST = 4, 512


@dataclass
class Holding:
    """An escrow, in the hands of the replica that has taken it."""

    escrow: Escrow
    limits: NamespaceLimits
    """Those that it was taken under: under others it is of no use."""
    ledger: Ledger
    """As it was written with the escrow in it."""
    unwritten: Ledger = field(default_factory=Ledger)
    """What has been admitted since."""
    stored: dict[str, StreamUsage] = field(default_factory=dict)
    """The streams as they were seen when it was taken, if they have limits."""
    before: "Holding | None" = None
    """The one that its write replaces, until that has arrived."""
    _used: Members = NONE
    _by_stream: dict[str, list[Reservation]] | None = field(default=None, init=False)
    """All reservations by the streams that they touch, once somebody asks."""
    _compared: dict[str, tuple[StreamUsage | None, Members]] = field(
        default_factory=dict, init=False
    )
    """The latest state of a stream that `stored` was compared with, and what had left it."""

    def admits(self, claims: Claims, limits: NamespaceLimits, now: float) -> bool:
        """Whether a request fits into the places that are left. Streams are a matter of their own,
        see `effective`."""
        usable_until = (self.before or self).escrow.usable_until
        if now > usable_until or claims.removes or limits != self.limits:
            return False
        used, more, most = self._used, claims.adds - self._used, self._most
        return (
            len(used.streams) + len(more.streams) <= most
            and len(used.images) + len(more.images) <= most
            and len(used.tags) + len(more.tags) <= most
        )

    @property
    def left(self) -> int:
        """The places that are not used."""
        used = self._used
        return self._most - max(len(used.streams), len(used.images), len(used.tags))

    @property
    def _most(self) -> int:
        places = self.escrow.places
        return places if self.before is None else min(places, self.before.left)

    def has_admitted(self, holder: str, claims: Claims) -> bool:
        """Whether it has admitted exactly this, and no write that has arrived has named it."""
        unwritten = self.unwritten.holds(holder, claims)
        return unwritten or (self.before is not None and self.before.has_admitted(holder, claims))

    def take_back(self, after: "Holding") -> None:
        """Take over what was admitted while a write was on its way that has not arrived."""
        for row in after.unwritten:
            self.unwritten.name(row)
        self._used |= after._used
        self._by_stream = None

    def effective(self, usage: NamespaceUsage, streams: Collection[str]) -> Effective:
        """What these streams hold as far as this replica knows, others' escrows in full.

        What has left a stream since the escrow was taken makes no room: who has not seen that may
        still take it for stored. Who claims it claims it anew.
        """
        if self._by_stream is None:
            self._by_stream = {}
            for row in (*self.ledger, *self.unwritten):
                self._note(row, self._by_stream)
        effective = Effective(usage, self.ledger.places - self.escrow.places)
        for name in streams:
            for row in self._by_stream.get(name, ()):
                effective.add(row.members.of_stream(name), row.removes.of_stream(name))
            gone = self._gone(usage, name)
            effective.add(gone, removes=gone)
        return effective

    def _gone(self, usage: NamespaceUsage, name: str) -> Members:
        """What has left a stream, of which no write that has arrived tells the others."""
        gone = NONE if self.before is None else self.before._gone(usage, name)
        then, now = self.stored.get(name), usage.streams.get(name)
        if then is None or then is now:
            return gone
        known = self._compared.get(name)
        if known is None or known[0] is not now:
            known = self._compared[name] = (now, then.without(now, name))
        return gone | known[1]

    def admit(self, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float) -> None:
        """Admit a request in some of the places that are left."""
        proof = self.ledger.unclaimed(usage.missing(claims.adds))
        made = Reservation(holder, claims.adds, expires_at, claims.adds - proof)
        self.unwritten.name(made)
        if self._by_stream is not None:
            self._note(made, self._by_stream)
        self._used |= claims.adds

    @staticmethod
    def _note(row: Reservation, by_stream: dict[str, list[Reservation]]) -> None:
        for name in row.members.touched_streams:
            by_stream.setdefault(name, []).append(row)


def give_back(ledger: Ledger, holding: Holding, now: float) -> None:
    """Name what was admitted, and give the places back.

    Not once the escrow has ended: others may have taken it for lost.
    """
    for row in holding.unwritten:
        ledger.name(row)
    if now <= holding.escrow.usable_until:
        ledger.escrows.pop(holding.escrow.key, None)


def take(ledger: Ledger, key: str, places: int, usable_until: float, timing: Timing) -> Escrow:
    """Take an escrow with the write of the ledger that has begun; there must be `headroom`."""
    escrow = Escrow(
        key,
        places,
        ledger.writes,
        usable_until,
        lost_at=usable_until + timing.skew,
        counted_until=usable_until + 2 * timing.expiry,
    )
    ledger.escrows[key] = escrow
    return escrow


def headroom(ledger: Ledger, usage: NamespaceUsage, limits: NamespaceLimits) -> int | None:
    """The places that are left under every quota; None without any."""
    counts = ledger.effective(usage, every_stream=True).counts()
    left = [
        hard.floor - count
        for quota in limits.quotas
        for hard, count in zip(
            (quota.imagestreams, quota.images, quota.image_tags), counts, strict=True
        )
        if hard is not None
    ]
    return min(left, default=None)


def share(left: int | None, limits: NamespaceLimits) -> int:
    """How many places one replica takes, with so many left for all; 0 if it does not pay."""
    of_streams = (limits.stream_images, limits.stream_tags)
    bounds = [_MOST * _SHARE] if left is None else [_MOST * _SHARE, left]
    bounds += [limit.max.floor for limit in of_streams if limit is not None]
    places = min(bounds) // _SHARE
    return places if places >= _LEAST else 0
