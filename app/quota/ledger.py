"""The ledger: the reservations of one namespace.

A reservation holds the members of a request that was admitted and is not stored yet. It leaves the
ledger as soon as observed usage alone tells the truth about its members:

- all of them are seen stored: when they were claimed they were not, or
- it has expired, by a view that is newer: what was not stored by then never will be, and what
  was is seen.

One replica may have seen what another has not. So whoever changes a ledger leaves a *floor* in it,
what the change rests on, and nobody decides on that ledger who has not seen as much: every member
that has left the ledger, and every deletion that made room in it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.quota.effective import Effective
from app.quota.members import Members
from app.quota.usage import NamespaceUsage


@dataclass(frozen=True)
class View:
    """How much a replica has seen of what is stored."""

    position: int
    """In the order of all changes of ImageStreams, their `resourceVersion`: exactly how far."""
    time: float
    """Seconds since the epoch: everything that was stored by then, perhaps more."""


@dataclass(frozen=True)
class Floor:
    """What one must have seen to decide on a ledger."""

    position: int = 0
    set_at: float = 0.0
    """Seconds since the epoch, when a replica had got to that position."""


_GROUND = Floor()


@dataclass(frozen=True)
class Reservation:
    """Members that count as used; times are seconds since the epoch."""

    holder: str
    members: Members
    expires_at: float


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

    def __init__(self, reservations: Iterable[Reservation] = (), floor: Floor = _GROUND) -> None:
        self._by_holder = {reservation.holder: reservation for reservation in reservations}
        self.floor = floor

    def __iter__(self) -> Iterator[Reservation]:
        return iter(self._by_holder.values())

    def __len__(self) -> int:
        return len(self._by_holder)

    def copy(self) -> "Ledger":
        return Ledger(self, self.floor)

    def covered_by(self, view: View, timing: Timing) -> bool:
        """Whether a view may decide on this ledger.

        Normally by its position. A view that is newer than the floor covers it, too: an API
        server that was restored from a backup counts its positions anew.
        """
        floor = self.floor
        return view.position >= floor.position or view.time >= floor.set_at + timing.skew

    def is_spent(self, now: float, timing: Timing) -> bool:
        """Whether nothing is reserved, and every view that may decide covers the floor."""
        return not self and now >= self.floor.set_at + timing.lag + 2 * timing.skew

    def reserve(self, reservation: Reservation) -> None:
        """Take members, or renew what the holder has."""
        self._by_holder[reservation.holder] = reservation

    def cancel(self, holder: str) -> bool:
        """Give a holder's members back; False if it holds none."""
        return self._by_holder.pop(holder, None) is not None

    def settle(self, usage: NamespaceUsage, view: View) -> bool:
        """Drop what `usage` alone tells the truth about, as seen by a view that covers the ledger.

        Returns whether anything was dropped.
        """
        settled = [
            holder
            for holder, held in self._by_holder.items()
            if held.expires_at <= view.time or not usage.missing(held.members)
        ]
        for holder in settled:
            del self._by_holder[holder]
        return bool(settled)

    def effective(self, usage: NamespaceUsage) -> Effective:
        """Observed usage with every reservation on top."""
        effective = Effective(usage)
        for reservation in self._by_holder.values():
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
