"""The ledger: the reservations of one namespace, which all replicas share.

A request that is admitted may be stored at any time until its reservation expires. Until then, the
reservation counts the members that the request claims. The API server stores all members of a
request with one write, or none. So one member that is seen stored can show that all are stored.

A member is a *proof* of its request if only that request can have stored it: it was neither stored
nor reserved when the request claimed it, and no other request has claimed it since.

A reservation leaves the ledger when

- a proof is seen stored: from then on its members count as stored; or
- it has expired, and a replica's view is newer than the expiry: the request can no longer be
  stored, and if it was stored, the view shows it.

Replicas see the ImageStreams at different times. A replica that writes the ledger may have dropped
a reservation because it has seen its members stored. A replica that has not seen them yet would
count them neither as stored nor as reserved. So each write leaves a *floor* in the ledger: how far
the writer has seen the ImageStreams. No replica decides with a ledger before its own view covers
the floor.

An *escrow* is a number of places that one replica gives out by itself, see `app.quota.escrow`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from app.quota.effective import EffectiveUsage
from app.quota.members import NONE, Claims, Member, Members
from app.quota.usage import NamespaceUsage
from app.quota.view import Floor, Timing, View

PUSH_CHECK = "push-"
"""The prefix of the holders of push checks. A push check stores nothing. Its push ends with an
ImageStreamMapping, and the review of that mapping takes over the reservation of the push check."""


_GROUND = Floor()


@dataclass(frozen=True)
class Reservation:
    """The members of one admitted request. They count as used until the reservation goes."""

    holder: str
    members: Members
    expires_at: float
    """Seconds since the epoch."""
    shared: Members = NONE
    """The members that are no proof: another request may have stored them, or may store them."""
    removes: Members = NONE
    """The members that the request removes. No other request may rely on them."""
    seen: int = 0
    """The number of the first write of the ledger that saw a proof stored; 0 if none did."""

    @property
    def proof(self) -> Members:
        return self.members - self.shared if self.shared else self.members


@dataclass(frozen=True)
class Escrow:
    """A row of the ledger: places that one replica holds. Times are seconds since the epoch."""

    key: str
    """`<replica>/<number>`: the replica that has taken it."""
    places: int
    """It holds this number of streams, this number of images and this number of tags."""
    taken: int
    """The number of the write of the ledger that took it."""
    usable_until: float
    """By the clock of its replica. Later, the replica admits nothing from it."""
    lost_at: float
    """By any replica's clock, its replica no longer uses it from this time on."""
    counted_until: float
    """The other replicas count its places until this time, unless it is given back before."""


class Ledger:
    """The reservations of a namespace by holder, and the escrows.

    A holder has one reservation. If it claims again, the reservation is renewed.
    """

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
        """The number of places that all replicas hold in escrow."""
        return sum(escrow.places for escrow in self.escrows.values())

    def covered_by(self, view: View, timing: Timing) -> bool:
        """Whether a replica with this view may decide with this ledger.

        Normally the position decides. An API server that was restored from a backup starts with
        older positions, so a view that is newer in time than the floor covers it as well.
        """
        floor = self.floor
        return view.position >= floor.position or view.time >= floor.set_at + timing.skew

    def is_spent(self, now: float, timing: Timing) -> bool:
        """Whether the ledger can be deleted: it holds nothing, and every view that is young enough
        to decide covers its floor."""
        held = self._by_holder or self.escrows
        return not held and now >= self.floor.set_at + timing.lag + 2 * timing.skew

    def reserve(
        self, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
    ) -> None:
        """Reserve all members that an admitted request claims, and note those that it removes.

        Stored members are reserved as well: they may be deleted before the request is stored.
        """
        missing = usage.missing(claims.adds)
        shared = claims.adds - missing
        self.name(Reservation(holder, claims.adds, expires_at, shared, claims.removes))

    def name(self, made: Reservation) -> None:
        """Enter a reservation into the ledger.

        - A member that another holder has reserved as well is no longer a proof of either.
        - If the holder has a reservation already, both are joined. Two requests may be on their
          way then, so no member that it held before is a proof.
        - If the mapping of a push is reserved, it takes over the reservation of the push check.
        """
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

    def keep(self, holder: str, members: Members, until: float) -> None:
        """Count members until a time, in seconds since the epoch, whatever is seen stored."""
        if members:
            self._put(Reservation(holder, members, until, shared=members))

    def unclaimed(self, members: Members) -> Members:
        """The members that no reservation holds."""
        index = self._index()
        claimed = [member for member in members if index.get(member)]
        return members - Members.of(claimed) if claimed else members

    def holds(self, holder: str, claims: Claims) -> bool:
        """Whether a holder's reservation has exactly these claims."""
        held = self._by_holder.get(holder)
        return held is not None and (held.members, held.removes) == (claims.adds, claims.removes)

    def cancel(self, holder: str) -> bool:
        """Give a holder's members back; False if it holds none."""
        if holder not in self._by_holder:
            return False
        self._drop(holder)
        return True

    def begin(self, usage: NamespaceUsage, view: View, now: float) -> bool:
        """Begin the next write of this ledger: count it, set the floor and settle.

        `view` must cover the present floor. Returns whether `settle` has changed anything. The
        floor alone is no reason to write.
        """
        self.writes += 1
        self.floor = Floor(view.position, now)
        return self.settle(usage, view)

    def settle(self, usage: NamespaceUsage, view: View) -> bool:
        """Drop the reservations and escrows that no longer have to count.

        A reservation goes when it has expired, or when a proof of it is seen and is certain. While
        a proof is not certain, the reservation is marked with the write that has seen it.
        `view` must cover the floor. Returns whether anything has changed.
        """
        changed = False
        for escrow in list(self.escrows.values()):
            if escrow.counted_until <= view.time:
                del self.escrows[escrow.key]
                changed = True
        for held in list(self):
            if held.expires_at <= view.time:
                self._drop(held.holder)
            elif not usage.holds_any(held.proof):
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
        """Whether no request that was admitted from an escrow can have stored the proof.

        A replica names the requests that it admits from an escrow in its next write only. Until
        then, the ledger does not show that such a request has claimed the same member. So a proof
        becomes certain in one of two ways:

        - No escrow is older than the write that saw the proof first. A replica that takes an
          escrow names its earlier requests with the same write, and its later requests cannot
          have stored a member that it has already seen.
        - Every older escrow is lost. Its replica may never name its requests. But the places of
          the escrow count until no request can still be stored that was taken for stored because
          of them. They cover this reservation if all of its members are seen and are proofs.
        """
        hiding = [one for one in self.escrows.values() if one.taken < (held.seen or self.writes)]
        if not hiding:
            return True
        lost = all(one.lost_at <= view.time for one in hiding)
        return lost and not held.shared and not usage.missing(held.members)

    def effective(
        self, usage: NamespaceUsage, *, with_escrows: bool = True, every_stream: bool = False
    ) -> EffectiveUsage:
        """The usage with every reservation on top, and with every place that is in escrow.

        `every_stream`: count the members that are reserved in missing streams as well.
        """
        places = self.places if with_escrows else 0
        effective = EffectiveUsage(usage, places, every_stream=every_stream)
        for reservation in self._by_holder.values():
            effective.add(reservation.members, reservation.removes)
        return effective

    def _push_check(self, holder: str, claimed: Members) -> Reservation | None:
        """The reservation of the push check of the same image and tag, if there is one."""
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
                holders = self._claimed[member]
                holders.discard(holder)
                if not holders:
                    del self._claimed[member]

    @staticmethod
    def _note(reservation: Reservation, claimed: dict[Member, set[str]]) -> None:
        for member in reservation.members:
            claimed.setdefault(member, set()).add(reservation.holder)
