"""The escrows that this replica holds, and the decision when to take one.

An escrow is in one of three places: *arriving* while the write that takes it is on its way, *held*
once that write is stored, *doubtful* if the answer to the write was lost. While an escrow is
doubtful, nothing is admitted for its namespace. The next write shows which case it was.
"""

import itertools
from collections import Counter

from app.admission.decision import Sight, admit_from, take_escrow
from app.quota import escrow
from app.quota.escrow import Holding
from app.quota.ledger import Ledger
from app.quota.members import Claims

LIFE = 3.0
"""Seconds for which an escrow is usable. A longer life costs fewer writes, but stored members stay
in the ledger for longer."""
_RENEW_BEFORE = 1.0
"""Seconds before its end at which an escrow is given back. The write must be stored in this time,
or the escrow is lost."""
_PATIENCE = 0.5
"""Seconds after that in which an escrow still admits requests while the write is on its way."""
_HOT = 8
"""A namespace with this number of requests for escrows in one second is hot: escrows pay there."""
_TOGETHER = 2
"""A namespace where this number of requests waits for the same write is hot at once."""
_LOW = 32
"""An escrow of at least this number of places is renewed when a quarter is left, so that no
request has to wait for the write."""
_COOL = 10.0
"""Seconds without a new escrow after another replica has recalled one."""


def renew_at(holding: Holding) -> float:
    """The time at which an escrow is given back, by this replica's clock."""
    return holding.escrow.usable_until - _RENEW_BEFORE


class Escrows:
    """The escrows of this replica by namespace.

    Times are seconds since the epoch by this replica's clock.
    """

    def __init__(self, replica: str) -> None:
        """`replica`: the name of this process among those that write the same ledgers. "" if it
        is alone; then its writes are cheap and it takes no escrow."""
        self._replica = replica
        self._numbers = itertools.count(1)
        self._held: dict[str, Holding] = {}
        self._arriving: dict[str, Holding] = {}
        self._doubtful: dict[str, list[Holding]] = {}
        self._second = 0
        """The second in which `_decisions` are counted."""
        self._decisions: Counter[str] = Counter()
        self._hot: set[str] = set()
        self._cool_until: dict[str, float] = {}

    def held(self, namespace: str) -> Holding | None:
        return self._held.get(namespace)

    def may_hold(self, namespace: str) -> bool:
        """Whether this replica holds an escrow that it could give back, or may hold one."""
        return namespace in self._held or namespace in self._doubtful

    def admit(self, namespace: str, holder: str, claims: Claims, sight: Sight) -> bool:
        """Admit a request from an escrow. Returns False if the ledger must decide."""
        holding = self._held.get(namespace)
        if holding is None or namespace in self._doubtful:
            return False
        arriving = self._arriving.get(namespace)
        if sight.now > renew_at(holding) + (_PATIENCE if arriving else 0.0):
            return False
        return admit_from(arriving or holding, holder, claims, sight)

    def is_low(self, namespace: str) -> bool:
        """Whether an escrow has few places left, so that it should be renewed now."""
        holding = self._held.get(namespace)
        if holding is None or namespace in self._arriving:
            return False
        return holding.escrow.places >= _LOW and holding.left * 4 <= holding.escrow.places

    def held_in(self, namespace: str, ledger: Ledger) -> Holding | None:
        """The escrow whose admitted requests this ledger does not name yet.

        Without a doubtful write, it is the held escrow. If the escrow of a doubtful write is in the
        ledger, the write is stored. Then it has named the requests of the held escrow, and they
        must not be named again: they may have been stored and deleted since. The escrow of the
        doubtful write has the requests that were admitted while it was arriving.
        """
        held, doubtful = self._held.get(namespace), self._doubtful.get(namespace)
        if doubtful is None:
            return held
        known = [one for one in [held, *doubtful] if one and one.escrow.key in ledger.escrows]
        return known[0] if known else None

    def take(self, namespace: str, ledger: Ledger, sight: Sight) -> Holding | None:
        """Enter an escrow into the ledger whose write has begun, if an escrow pays."""
        cool = sight.now < self._cool_until.get(namespace, 0.0)
        if not self._replica or cool or not self._is_hot(namespace, sight.now):
            return None
        left = escrow.headroom(ledger, sight.usage, sight.limits)
        places = escrow.share(left, sight.limits)
        if not places:
            return None
        key = f"{self._replica}/{next(self._numbers)}"
        return take_escrow(ledger, key, places, LIFE, sight)

    def send(self, namespace: str, taken: Holding | None) -> None:
        """Note that the ledger is being written: with `taken`, and without the held escrow.

        Meanwhile, requests are admitted that fit into both.
        """
        held = self._held.get(namespace)
        if held and taken and held.limits == taken.limits and namespace not in self._doubtful:
            taken.before = held
            self._arriving[namespace] = taken

    def is_arriving(self, namespace: str) -> bool:
        """Whether requests are admitted while a write is on its way."""
        return namespace in self._arriving

    def written(self, namespace: str, taken: Holding | None) -> None:
        """The write is stored."""
        self._arriving.pop(namespace, None)
        self._doubtful.pop(namespace, None)
        self._held.pop(namespace, None)
        if taken is not None:
            taken.before = None
            self._held[namespace] = taken

    def refused(self, namespace: str) -> None:
        """The write is not stored, and never will be."""
        arriving = self._arriving.pop(namespace, None)
        if arriving is not None:
            self._held[namespace].take_back(arriving)

    def doubt(self, namespace: str, taken: Holding | None) -> None:
        """It is unknown whether the write is stored. Admit nothing until the next write is."""
        self.refused(namespace)
        doubtful = [taken] if taken is not None else []
        self._doubtful.setdefault(namespace, []).extend(doubtful)

    def meet(self, namespace: str, requests: int) -> None:
        """Note the number of requests for escrows that are decided with one write."""
        if requests >= _TOGETHER:
            self._hot.add(namespace)

    def cool(self, namespace: str, now: float) -> None:
        """Take no escrow for a while, because another replica needs the places."""
        self._cool_until = {ns: until for ns, until in self._cool_until.items() if until > now}
        self._cool_until[namespace] = now + _COOL

    def stop(self) -> None:
        """Take no more escrows."""
        self._replica = ""

    def namespaces(self) -> list[str]:
        return [*self._held, *self._doubtful]

    def count(self, namespace: str, now: float) -> None:
        """Count one more request for escrows. It makes a namespace hot, or no longer hot."""
        if int(now) != self._second:
            follows = int(now) == self._second + 1
            hot = {ns for ns, count in self._decisions.items() if count >= _HOT}
            self._hot = hot if follows else set()
            self._second = int(now)
            self._decisions.clear()
        self._decisions[namespace] += 1
        if self._decisions[namespace] >= _HOT:
            self._hot.add(namespace)

    def _is_hot(self, namespace: str, now: float) -> bool:
        """A namespace is hot until a second has passed without any request."""
        return namespace in self._hot and int(now) <= self._second + 1
