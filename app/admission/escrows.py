"""The escrows that this replica holds, and when it pays to take one."""

import itertools
from collections import Counter

from app.admission.decision import Sight, admit_from, take_escrow
from app.quota import escrow
from app.quota.escrow import Holding
from app.quota.ledger import Ledger
from app.quota.members import Claims

LIFE = 3.0
"""Seconds for which an escrow is usable. Longer ones cost fewer writes, and keep what is stored in
the ledger for longer."""
_RENEW_BEFORE = 1.0
"""Seconds before its end from which on one is given back: it is lost if that takes longer."""
_PATIENCE = 0.5
"""Seconds after that for which it is given out while the write is on its way."""
_HOT = 8
"""Decisions in a second from which on writes are worth to be saved."""
_TOGETHER = 2
"""Requests that wait for the same write, from which on it is hot at once."""
_LOW = 32
"""An escrow of so many places or more is renewed when a quarter is left, so that no request waits
for the write."""
_COOL = 10.0
"""Seconds without an escrow after somebody has asked for one back."""


def renew_at(holding: Holding) -> float:
    """When an escrow is to be given back, by this replica's clock."""
    return holding.escrow.usable_until - _RENEW_BEFORE


class Escrows:
    """By namespace. Times are this replica's clock, in seconds since the epoch."""

    def __init__(self, replica: str) -> None:
        """`replica` names this process among all that write the same ledgers; "" for one that
        writes them alone: writing costs it nothing."""
        self._replica = replica
        self._numbers = itertools.count(1)
        self._held: dict[str, Holding] = {}
        self._arriving: dict[str, Holding] = {}
        """Those whose write is on its way."""
        self._doubtful: dict[str, list[Holding]] = {}
        """Those whose write may have failed."""
        self._second = 0
        self._decisions: Counter[str] = Counter()
        self._hot: set[str] = set()
        self._cool_until: dict[str, float] = {}

    def held(self, namespace: str) -> Holding | None:
        return self._held.get(namespace)

    def may_hold(self, namespace: str) -> bool:
        """Whether there is an escrow to give back, as far as this replica knows."""
        return namespace in self._held or namespace in self._doubtful

    def admit(self, namespace: str, holder: str, claims: Claims, sight: Sight) -> bool:
        """Admit a request from an escrow; False if that has to be decided on the ledger."""
        holding = self._held.get(namespace)
        if holding is None or namespace in self._doubtful:
            return False
        arriving = self._arriving.get(namespace)
        if sight.now > renew_at(holding) + (_PATIENCE if arriving else 0.0):
            return False
        return admit_from(arriving or holding, holder, claims, sight)

    def is_low(self, namespace: str) -> bool:
        """Whether an escrow should be renewed before it is used up."""
        holding = self._held.get(namespace)
        if holding is None or namespace in self._arriving:
            return False
        return holding.escrow.places >= _LOW and holding.left * 4 <= holding.escrow.places

    def held_in(self, namespace: str, ledger: Ledger, now: float) -> Holding | None:
        """The escrow whose requests a ledger does not name yet.

        If a write that seemed to fail has arrived, the ledger has named what it was to name, which
        may have been stored and deleted since. What the write has put into it is left out.
        """
        held, doubtful = self._held.get(namespace), self._doubtful.get(namespace)
        if doubtful is None:
            return held
        known = [one for one in [held, *doubtful] if one and one.escrow.key in ledger.escrows]
        for one in doubtful:
            if now <= one.escrow.usable_until:
                ledger.escrows.pop(one.escrow.key, None)
        return known[0] if known else None

    def take(self, namespace: str, ledger: Ledger, sight: Sight) -> Holding | None:
        """Take an escrow with the write that has begun, if that pays."""
        cool = sight.now < self._cool_until.get(namespace, 0.0)
        if not self._replica or cool or namespace not in self._hot:
            return None
        left = escrow.headroom(ledger, sight.usage, sight.limits)
        places = escrow.share(left, sight.limits)
        if not places:
            return None
        key = f"{self._replica}/{next(self._numbers)}"
        return take_escrow(ledger, key, places, LIFE, sight)

    def send(self, namespace: str, taken: Holding | None) -> None:
        """The ledger is being written: with this escrow in it, and without the one that is held.

        What is left of both may be given out meanwhile.
        """
        held = self._held.get(namespace)
        if held and taken and held.limits == taken.limits and namespace not in self._doubtful:
            taken.before = held
            self._arriving[namespace] = taken

    def is_arriving(self, namespace: str) -> bool:
        """Whether an escrow is on its way that may be given out."""
        return namespace in self._arriving

    def written(self, namespace: str, taken: Holding | None) -> None:
        """The write has arrived."""
        self._arriving.pop(namespace, None)
        self._doubtful.pop(namespace, None)
        self._held.pop(namespace, None)
        if taken is not None:
            taken.before = None
            self._held[namespace] = taken

    def refused(self, namespace: str) -> None:
        """The write has not arrived, and never will."""
        arriving = self._arriving.pop(namespace, None)
        if arriving is not None:
            self._held[namespace].take_back(arriving)

    def doubt(self, namespace: str, taken: Holding | None) -> None:
        """Nobody knows whether the write has arrived: nothing is admitted until the next has."""
        self.refused(namespace)
        doubtful = [taken] if taken is not None else []
        self._doubtful.setdefault(namespace, []).extend(doubtful)

    def meet(self, namespace: str, requests: int) -> None:
        """So many requests are to be decided with one write."""
        if requests >= _TOGETHER:
            self._hot.add(namespace)

    def cool(self, namespace: str, now: float) -> None:
        """Take none for a while: somebody needs the places."""
        self._cool_until = {ns: until for ns, until in self._cool_until.items() if until > now}
        self._cool_until[namespace] = now + _COOL

    def stop(self) -> None:
        """Take none any more."""
        self._replica = ""

    def namespaces(self) -> list[str]:
        return [*self._held, *self._doubtful]

    def count(self, namespace: str, now: float) -> None:
        """One more request is to be decided."""
        if int(now) != self._second:
            follows = int(now) == self._second + 1
            hot = {ns for ns, count in self._decisions.items() if count >= _HOT}
            self._hot = hot if follows else set()
            self._second = int(now)
            self._decisions.clear()
        self._decisions[namespace] += 1
        if self._decisions[namespace] >= _HOT:
            self._hot.add(namespace)
