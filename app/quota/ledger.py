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

An *escrow* is a number of places that a replica gives out by itself, see `app.quota.escrow`.
"""

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
    seen: int = 0
    """The write of the ledger that has seen its proof; zero if none has."""

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


@dataclass(frozen=True)
class Escrow:
    """Places for as many streams, images and tags each; times are seconds since the epoch."""

    key: str
    """The replica that has taken it, and a number."""
    places: int
    taken: int
    """The write of the ledger that has taken it."""
    usable_until: float
    lost_at: float
    """From then on, by anybody's clock, its replica does not use it any more."""
    counted_until: float


class Ledger:
    """Reservations by holder: a holder that claims again renews its reservation."""

    def __init__(
        self,
        reservations: Iterable[Reservation] = (),
        floor: Floor = _GROUND,
        escrows: Iterable[Escrow] = (),
        writes: int = 0,
    ) -> None:
        self._by_holder = {reservation.holder: reservation for reservation in reservations}
        self.escrows = {escrow.key: escrow for escrow in escrows}
        self.writes = writes
        self._claimed: dict[Member, set[str]] | None = None
        """The holders of each member, once somebody asks."""
        self.floor = floor

    def __iter__(self) -> Iterator[Reservation]:
        return iter(self._by_holder.values())

    def __len__(self) -> int:
        return len(self._by_holder)

    def copy(self) -> "Ledger":
        return Ledger(self, self.floor, self.escrows.values(), self.writes)

    @property
    def places(self) -> int:
        """How many are held in escrow."""
        return sum(escrow.places for escrow in self.escrows.values())

    def covered_by(self, view: View, timing: Timing) -> bool:
        """Whether a view may decide on this ledger.

        Normally by its position. A view that is newer than the floor covers it, too: an API
        server that was restored from a backup counts its positions anew.
        """
        floor = self.floor
        return view.position >= floor.position or view.time >= floor.set_at + timing.skew

    def is_spent(self, now: float, timing: Timing) -> bool:
        """Whether nothing is held, and every view that may decide covers the floor."""
        held = self._by_holder or self.escrows
        return not held and now >= self.floor.set_at + timing.lag + 2 * timing.skew

    def is_given_out(self, view: View) -> bool:
        """Whether a replica may still use an escrow, as far as a view knows the time."""
        return any(escrow.lost_at > view.time for escrow in self.escrows.values())

    def reserve(
        self, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
    ) -> None:
        """Hold all that a request claims, and what it removes.

        Also what is stored already: it may be deleted before the request is stored. A holder that
        claims again may have two requests on their way: then no member is proof of both.
        """
        missing = usage.missing(claims.adds)
        shared = claims.adds - missing
        self.name(Reservation(holder, claims.adds, expires_at, shared, claims.removes))

    def name(self, made: Reservation) -> None:
        """Enter a reservation. Members of it that others have claimed prove nothing, of either."""
        claimed, renewed = self._index(), self._by_holder.get(made.holder)
        members, proof, removes = made.members, made.proof, made.removes
        proof = self.unclaimed(proof)
        if renewed is not None:
            members, removes = members | renewed.members, removes | renewed.removes
        elif checked := self._push_check(made.holder, made.members):
            self._drop(checked.holder)
            members, proof = members | checked.members, proof | checked.proof
        for member in made.members:
            for other in claimed.get(member, ()):
                if other != made.holder:
                    self._share(other, member)
        expires_at = max(made.expires_at, renewed.expires_at if renewed else 0.0)
        self._put(Reservation(made.holder, members, expires_at, members - proof, removes))

    def unclaimed(self, members: Members) -> Members:
        """Those that no reservation holds."""
        index = self._index()
        claimed = [member for member in members if index.get(member)]
        return members - Members.of(claimed) if claimed else members

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

    def begin(self, usage: NamespaceUsage, view: View, now: float) -> bool:
        """Begin the next write of this ledger, with a view that covers it.

        Returns whether anything has changed that is worth to be written.
        """
        self.writes += 1
        self.floor = Floor(view.position, now)
        return self.settle(usage, view)

    def settle(self, usage: NamespaceUsage, view: View) -> bool:
        """Drop what was stored or never will be, as seen by a view that covers the ledger.

        Returns whether anything has changed.
        """
        changed = False
        for escrow in list(self.escrows.values()):
            if escrow.counted_until <= view.time:
                del self.escrows[escrow.key]
                changed = True
        for held in list(self):
            if held.expires_at <= view.time:
                self._drop(held.holder)
            elif usage.missing(held.proof) == held.proof:
                continue
            elif self._is_certain(held, usage, view):
                self._drop(held.holder)
            elif not held.seen:
                self._by_holder[held.holder] = replace(held, seen=self.writes)
            else:
                continue
            changed = True
        return changed

    def _is_certain(self, held: Reservation, usage: NamespaceUsage, view: View) -> bool:
        """Whether no escrow hides a claim that may have brought the proof that is seen.

        A replica that takes an escrow has named its claims until then, and takes what it sees for
        no proof of later ones. The claims of one that is lost stay hidden, but its places count as
        long as a request may last that was taken for stored because of them: so a reservation may
        go whose members are all seen, each in one of these places.
        """
        hiding = [one for one in self.escrows.values() if one.taken < (held.seen or self.writes)]
        if not hiding:
            return True
        lost = all(one.lost_at <= view.time for one in hiding)
        return lost and not held.shared and not usage.missing(held.members)

    def effective(
        self, usage: NamespaceUsage, *, with_escrows: bool = True, every_stream: bool = False
    ) -> Effective:
        """Observed usage with every reservation on top, and every place that is in escrow.

        `every_stream`: what is reserved in streams that do not exist counts as well.
        """
        places = self.places if with_escrows else 0
        effective = Effective(usage, places, every_stream=every_stream)
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
        shared = held.shared | Members.of([member])
        self._by_holder[holder] = replace(held, shared=shared, seen=0)

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
