"""The ledger: the reservations of one namespace.

A reservation holds the members of a request that was admitted and is not stored yet. It counts
until this replica's view of the ImageStreams proves that it must not:

- all its members were seen stored, by a view that is newer than the claim, or
- it has expired, and the view is newer than the expiry: what was not stored by then never
  will be, and what was stored is observed.

`view` is the point in time (seconds since the epoch) up to which a replica has seen every
write; it may have seen later ones, too. Times are read off different clocks, so one proves to be
after another only if it is later by more than the skew. A member that one replica has seen stored
may still be unseen by another whose view is the same: a fulfilled reservation counts there until
that replica's view is newer than the moment at which the member was noted, and leaves the ledger
when every replica that may decide has got so far.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from app.quota.effective import Effective
from app.quota.members import Members
from app.quota.usage import NamespaceUsage


@dataclass(frozen=True)
class Reservation:
    """Members that count as used; times are seconds since the epoch."""

    holder: str
    members: Members
    claimed_at: float
    expires_at: float
    fulfilled_at: float | None = None
    """A view as late as this has seen the members stored."""

    def settled(self, view: float) -> bool:
        """Whether observed usage alone tells the truth about these members."""
        if self.fulfilled_at is None:
            return self.expires_at <= view
        # What has expired must not come to count again: its place may be taken.
        return min(self.expires_at, self.fulfilled_at) <= view


@dataclass(frozen=True)
class Timing:
    """Seconds. `expiry` outlasts the way from admission to storage (60 s) by the clock skew;
    `lag` is the oldest view that may decide, `skew` how far the clocks of two replicas may be
    apart."""

    expiry: float = 90.0
    lag: float = 0.0
    skew: float = 0.0


class Ledger:
    """Reservations by holder: a holder that claims again renews its reservation."""

    def __init__(self, reservations: Iterable[Reservation] = ()) -> None:
        self._by_holder = {reservation.holder: reservation for reservation in reservations}

    def __iter__(self) -> Iterator[Reservation]:
        return iter(self._by_holder.values())

    def __len__(self) -> int:
        return len(self._by_holder)

    def reserve(self, reservation: Reservation) -> None:
        self._by_holder[reservation.holder] = reservation

    def cancel(self, holder: str) -> bool:
        """Give a holder's members back; False if it holds none."""
        return self._by_holder.pop(holder, None) is not None

    def settle(self, usage: NamespaceUsage, *, now: float, view: float, timing: Timing) -> None:
        """Mark what is fulfilled, and drop what no replica can need any more."""
        oldest_view = now - timing.lag - timing.skew
        for holder, reservation in list(self._by_holder.items()):
            newer = reservation.claimed_at + timing.skew <= view
            noted = reservation.fulfilled_at is not None
            if newer and not noted and not usage.missing(reservation.members):
                # Not `view`: what fulfils it may have been stored after that.
                reservation = replace(reservation, fulfilled_at=now + timing.skew)
                self._by_holder[holder] = reservation
            if reservation.settled(min(view, oldest_view)):
                del self._by_holder[holder]

    def effective(self, usage: NamespaceUsage, view: float) -> Effective:
        """Observed usage with every reservation that still counts on top."""
        effective = Effective(usage)
        for reservation in self._by_holder.values():
            if not reservation.settled(view):
                effective.add(reservation.members)
        return effective


def holder_of(members: Members) -> str:
    """A name for whoever claims exactly these members.

    A retry of a push, and the admission review that follows its push check, claim the same
    members under the same name: they renew one reservation instead of adding another.
    """
    parts = [
        *sorted(members.streams),
        "",
        *(f"{stream}@{digest}" for stream, digest in sorted(members.images)),
        "",
        *(f"{stream}:{tag}" for stream, tag in sorted(members.tags)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
