"""The ledger: the reservations of one namespace.

A reservation holds the members of a request that was admitted and may be stored any time. A
request is stored with one write, or not at all. So a reservation leaves the ledger as soon as

- one of its members is seen stored that nothing but this request can have brought: such a
  *proof* was neither stored nor reserved when it was claimed, and nobody has claimed it since, or
- it has expired, by a view that is newer: what was not stored by then never will be, and what
  was is seen.

One replica may have seen what another has not. So whoever changes a ledger leaves a *floor* in it,
what the change rests on, and nobody decides on that ledger who has not seen as much: every member
that has left the ledger, and every deletion that made room in it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from app.quota.effective import Effective
from app.quota.members import NONE, Claims, Member, Members
from app.quota.usage import NamespaceUsage

PUSH_CHECK = "push-"
"""What the holders of push checks begin with. A push check stores nothing by itself: the review
of the mapping that its push ends with takes its reservation over."""


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
    shared: Members = NONE
    """Those of its members that prove nothing: others may have stored them, or may yet."""
    removes: Members = NONE
    """What the request takes away: nobody may rely on it."""

    @property
    def proof(self) -> Members:
        return self.members - self.shared if self.shared else self.members


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
        self._claimed: dict[Member, set[str]] | None = None
        """The holders of each member, once somebody asks."""
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

    def reserve(
        self, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
    ) -> None:
        """Hold all that a request claims, and what it removes.

        Also what is stored already: it may be deleted before the request is stored. A holder that
        claims again may have two requests on their way: then no member is proof of both.
        """
        members, proof = claims.adds, usage.missing(claims.adds)
        claimed = self._index()
        if claimed_too := [member for member in proof if claimed.get(member)]:
            proof -= Members.of(claimed_too)
        renewed = self._by_holder.get(holder)
        if renewed is not None:
            members |= renewed.members
        elif checked := self._push_check(holder, claims.adds):
            self._drop(checked.holder)
            members, proof = members | checked.members, proof | checked.proof
        for member in claims.adds:
            for other in claimed.get(member, ()):
                if other != holder:
                    self._share(other, member)
        shared = members - proof
        removes = claims.removes | renewed.removes if renewed else claims.removes
        self._put(Reservation(holder, members, expires_at, shared, removes))

    def holds(self, holder: str, claims: Claims) -> bool:
        """Whether a holder has been given exactly this before."""
        held = self._by_holder.get(holder)
        return held is not None and (held.members, held.removes) == (claims.adds, claims.removes)

    def cancel(self, holder: str) -> bool:
        """Give a holder's members back; False if it holds none."""
        if holder not in self._by_holder:
            return False
        self._drop(holder)
        return True

    def settle(self, usage: NamespaceUsage, view: View) -> bool:
        """Drop what was stored or never will be, as seen by a view that covers the ledger.

        Returns whether anything was dropped.
        """
        settled = [
            holder
            for holder, held in self._by_holder.items()
            if held.expires_at <= view.time or usage.missing(held.proof) != held.proof
        ]
        for holder in settled:
            self._drop(holder)
        return bool(settled)

    def effective(self, usage: NamespaceUsage) -> Effective:
        """Observed usage with every reservation on top."""
        effective = Effective(usage)
        for reservation in self._by_holder.values():
            effective.add(reservation.members, reservation.removes)
        return effective

    def _push_check(self, holder: str, claimed: Members) -> Reservation | None:
        """The push check that a review of the same image and tag follows."""
        if holder.startswith(PUSH_CHECK) or not (claimed.images and claimed.tags):
            return None
        holders = (self._index().get(member, set()) for member in claimed if member[0] != "stream")
        for name in sorted(set.intersection(*map(set, holders))):
            held = self._by_holder[name]
            same = (held.members.images, held.members.tags) == (claimed.images, claimed.tags)
            if same and name.startswith(PUSH_CHECK):
                return held
        return None

    def _share(self, holder: str, member: Member) -> None:
        held = self._by_holder[holder]
        self._by_holder[holder] = replace(held, shared=held.shared | Members.of([member]))

    def _index(self) -> dict[Member, set[str]]:
        if self._claimed is None:
            self._claimed = {}
            for reservation in self:
                self._note(reservation, self._claimed)
        return self._claimed

    def _put(self, reservation: Reservation) -> None:
        self._by_holder[reservation.holder] = reservation
        self._note(reservation, self._index())

    def _drop(self, holder: str) -> None:
        dropped = self._by_holder.pop(holder)
        if self._claimed is not None:
            for member in dropped.members:
                self._claimed[member].discard(holder)

    @staticmethod
    def _note(reservation: Reservation, claimed: dict[Member, set[str]]) -> None:
        for member in reservation.members:
            claimed.setdefault(member, set()).add(reservation.holder)


def holder_of(claims: Claims) -> str:
    """A name for whoever makes exactly these claims.

    A retry of a push makes the same claims under the same name: it renews one reservation
    instead of adding another.
    """
    parts = [
        [sorted(members.streams), sorted(members.images), sorted(members.tags)]
        for members in (claims.adds, claims.removes)
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
