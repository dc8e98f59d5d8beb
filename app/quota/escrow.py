"""Escrow: places that a replica takes with one write of the ledger and then gives out by itself.

1. The replica takes an escrow with a write. All other replicas count all of its places, in the
   namespace and in each stream.
2. The replica admits requests without a write. Each member that it admits uses one place, once,
   even if the member is stored or reserved already. So these decisions rest on no member that
   another replica may see deleted or cancelled.
3. Its next write *names* the admitted requests: it enters them into the ledger as ordinary
   reservations. The same write gives the places back and may take a new escrow.
4. While that write is on its way, the replica does not know which escrow the others count. So a
   request must fit into the old places and into the new ones.

docs/reference/ledger.md has the rules and their reasons.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf

from app.model.limits import NamespaceLimits
from app.quota.effective import EffectiveUsage
from app.quota.ledger import Escrow, Ledger, Reservation
from app.quota.members import NONE, Claims, Members
from app.quota.usage import EarlierStreams, NamespaceUsage, StreamUsage
from app.quota.view import Timing

_SHARE = 8
"""An escrow has at most 1/_SHARE of the room under each quota, and of each limit of streams."""
_LEAST, _MOST = 4, 512
"""The smallest and the largest number of places of one escrow."""
_MOST_TEXT = 200_000
"""Characters of the members that one escrow admits. Its next write has to fit into the ledger."""


@dataclass
class _InStream:
    """The reservations that touch one stream."""

    rows: list[Reservation] = field(default_factory=list)
    images: int = 0
    tags: int = 0
    """The images and tags of all rows, in any stream. A member of two rows counts twice."""

    def add(self, row: Reservation) -> None:
        self.rows.append(row)
        self.images += len(row.members.images)
        self.tags += len(row.members.tags)


_NOTHING = _InStream()


@dataclass
class Holding:
    """An escrow as its own replica keeps it."""

    escrow: Escrow
    limits: NamespaceLimits
    """The limits at the time it was taken. Under other limits it admits nothing."""
    ledger: Ledger
    """The ledger as it was written, with the escrow in it."""
    unwritten: Ledger = field(default_factory=Ledger)
    """The reservations that were admitted since, which no write has named yet."""
    earlier: EarlierStreams = field(default_factory=EarlierStreams)
    """The streams that have changed since it was taken. Unused if streams have no limits."""
    before: "Holding | None" = None
    """The escrow that its write replaces, while that write is on its way."""
    _used: Members = NONE
    _text: int = field(default=0, init=False)
    """Characters of the admitted members."""
    _by_stream: dict[str, _InStream] | None = field(default=None, init=False)
    """All reservations by the streams that they touch. None until they are needed."""
    _compared: dict[str, tuple[StreamUsage | None, Members]] = field(
        default_factory=dict, init=False
    )
    """By stream: its state when it was last compared with `earlier`, and what it had lost."""

    def admits(self, claims: Claims, limits: NamespaceLimits, now: float) -> bool:
        """Whether a request may be admitted in the places that are left.

        Limits of single streams are not checked here, see `has_ample_streams` and `effective`.
        """
        usable_until = (self.before or self).escrow.usable_until
        if now > usable_until or claims.removes or limits != self.limits:
            return False
        if self._text + claims.adds.text_length > _MOST_TEXT:
            return False
        used, more, most = self._used, claims.adds - self._used, self._most
        return (
            len(used.streams) + len(more.streams) <= most
            and len(used.images) + len(more.images) <= most
            and len(used.tags) + len(more.tags) <= most
        )

    @property
    def used(self) -> Members:
        """The members that were admitted."""
        return self._used

    @property
    def left(self) -> int:
        """The number of places that are not used."""
        used = self._used
        return self._most - max(len(used.streams), len(used.images), len(used.tags))

    @property
    def _most(self) -> int:
        places = self.escrow.places
        return places if self.before is None else min(places, self.before.left)

    def has_admitted(self, holder: str, claims: Claims) -> bool:
        """Whether it has admitted exactly these claims, and no stored write has named them."""
        unwritten = self.unwritten.holds(holder, claims)
        return unwritten or (self.before is not None and self.before.has_admitted(holder, claims))

    def take_back(self, after: "Holding") -> None:
        """Take over the reservations of `after`, the escrow of a write that was not stored."""
        for row in after.unwritten:
            self.unwritten.name(row)
        self._used |= after._used
        self._text += after._text
        self._by_stream = None

    def has_ample_streams(self, claims: Claims, usage: NamespaceUsage) -> bool:
        """Whether the limits of streams have room even if no two members are the same one.

        It compares no members, so it is cheap. If it returns False, `effective` has the exact
        usage.
        """
        images, tags = self.limits.stream_images, self.limits.stream_tags
        if images is None and tags is None:
            return True
        most_images = images.max.floor if images is not None else inf
        most_tags = tags.max.floor if tags is not None else inf
        others = self.ledger.places - self.escrow.places
        for name in claims.adds.touched_streams:
            reserved, states = self._reserved_in(name), self._states(usage, name)
            of_images = sum(state.image_count for state in states) + reserved.images
            of_tags = sum(state.tag_count for state in states) + reserved.tags
            if of_images + others + len(claims.adds.images) > most_images:
                return False
            if of_tags + others + len(claims.adds.tags) > most_tags:
                return False
        return True

    def effective(self, usage: NamespaceUsage, streams: Collection[str]) -> EffectiveUsage:
        """The usage of these streams, to compare with the limits of streams.

        It counts stored members, reserved members, all places of other replicas, and the members
        that have left a stream since the escrow was taken. The last ones make no room: another
        replica may not have seen the deletion and may admit a push of such a member at no cost.
        A request of this replica that claims one claims it anew.
        """
        effective = EffectiveUsage(usage, self.ledger.places - self.escrow.places)
        for name in streams:
            for row in self._reserved_in(name).rows:
                effective.add(row.members.of_stream(name), row.removes.of_stream(name))
            gone = self._gone(usage, name)
            effective.add(gone, removes=gone)
        return effective

    def _reserved_in(self, stream: str) -> _InStream:
        if self._by_stream is None:
            self._by_stream = {}
            for row in (*self.ledger, *self.unwritten):
                self._note(row, self._by_stream)
        return self._by_stream.get(stream, _NOTHING)

    def _states(self, usage: NamespaceUsage, name: str) -> set[StreamUsage]:
        """The present state of a stream, and its state when this escrow and the one before it were
        taken, where the stream has changed since."""
        states = set() if self.before is None else self.before._states(usage, name)
        states.update(filter(None, (self.earlier.get(name), usage.streams.get(name))))
        return states

    def _gone(self, usage: NamespaceUsage, name: str) -> Members:
        """The members that have left a stream since the last stored write of this replica."""
        gone = NONE if self.before is None else self.before._gone(usage, name)
        then, now = self.earlier.get(name), usage.streams.get(name)
        if then is None or then is now:
            return gone
        known = self._compared.get(name)
        if known is None or known[0] is not now:
            known = self._compared[name] = (now, then.without(now, name))
        return gone | known[1]

    def admit(self, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float) -> None:
        """Admit a request: its members use places, and the next write will name it."""
        proof = self.ledger.unclaimed(usage.missing(claims.adds))
        made = Reservation(holder, claims.adds, expires_at, claims.adds - proof)
        self.unwritten.name(made)
        if self._by_stream is not None:
            self._note(made, self._by_stream)
        self._used |= claims.adds
        self._text += claims.adds.text_length

    @staticmethod
    def _note(row: Reservation, by_stream: dict[str, _InStream]) -> None:
        for name in row.members.touched_streams:
            by_stream.setdefault(name, _InStream()).add(row)


def give_back(ledger: Ledger, holding: Holding, now: float) -> None:
    """Enter the admitted requests into the ledger, and give the places back.

    Other replicas may have taken an escrow that has ended for lost: then they have dropped
    reservations whose members they saw stored, but an admitted request may have stored these. What
    was admitted counts for as long as the escrow would have, because such a request may still be on
    its way.
    """
    escrow = holding.escrow
    counts = ledger.escrows.pop(escrow.key, None) is not None
    if counts and now > escrow.usable_until:
        ledger.keep(escrow.key, holding.used, escrow.counted_until)
        return
    for row in holding.unwritten:
        ledger.name(row)


def take(ledger: Ledger, key: str, places: int, usable_until: float, timing: Timing) -> Escrow:
    """Enter an escrow into a ledger whose next write has begun. The namespace must have room for
    it, see `headroom`."""
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
    """The number of places that are left under all quotas; None without quotas."""
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
    """The number of places of one escrow; 0 if so few that an escrow does not pay.

    `left`: the headroom.
    """
    of_streams = (limits.stream_images, limits.stream_tags)
    bounds = [_MOST * _SHARE] if left is None else [_MOST * _SHARE, left]
    bounds += [limit.max.floor for limit in of_streams if limit is not None]
    places = min(bounds) // _SHARE
    return places if places >= _LEAST else 0
