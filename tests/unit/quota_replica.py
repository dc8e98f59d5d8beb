"""A model of a replica: its view, its escrow and its decisions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from app.admission.decision import Sight, begin, decide_on, take_escrow
from app.admission.escrows import Escrows
from app.quota.effective import EffectiveUsage
from app.quota.escrow import Holding, headroom
from app.quota.ledger import Ledger
from app.quota.members import Claims, holder_of
from app.quota.usage import NamespaceUsage, StreamUsage
from app.quota.view import View
from tests.unit.quota_storage import Count, Storage, Stored
from tests.unit.quota_world import ESCROW, MAX_LAG, TIMING, Limits
from tests.unit.stores import DOMAIN

_KEYS = count(1)


@dataclass(frozen=True)
class Request:
    claims: Claims
    store: Callable[[], None]
    holder: str = ""
    once: bool = False


@dataclass
class SharedLedger:
    """The ledger in the API server, written with compare-and-swap."""

    ledger: Ledger = field(default_factory=Ledger)
    version: int = 0
    by_old: bool = False
    """Whether its rows have the form of the version without escrows."""

    def save(self, ledger: Ledger, version: int, *, by_old: bool = False) -> bool:
        """Returns False for a conflict."""
        if not self.is_latest(version):
            return False
        self.ledger, self.version, self.by_old = ledger, self.version + 1, by_old
        return True

    def is_latest(self, version: int) -> bool:
        return version == self.version


@dataclass(frozen=True)
class Write:
    """A write of the ledger that has not been sent, or has not arrived."""

    ledger: Ledger
    version: int
    limits: Limits
    taken: Holding | None = None
    admitted: "Admitted | None" = None
    decided_at: float = 0.0


@dataclass(frozen=True)
class Admitted:
    request: Request
    used: dict[Count, int]
    """The counts with the members of the request, where they may exceed a lowered limit."""
    limits: Limits


@dataclass(frozen=True)
class Taking:
    """The moment when a place was taken: by the request's own write, or by that of an escrow."""

    number: int = 0
    """The number of requests that were admitted until then."""
    limits: int = 0
    """The version of the limits under which the place was taken."""


@dataclass(frozen=True)
class InFlight:
    until: float
    request: Request
    number: int
    """The number of the request among all admitted requests."""
    taking: "Taking"


@dataclass
class Replica:
    """A replica that has read a number of entries of the log. Its clock is `error` seconds fast."""

    limits: Limits
    old: bool = False
    """Whether the replica runs the version without escrows."""
    error: float = 0.0
    seen: int = 0
    heard: float = 0.0
    stored: Stored = field(default_factory=dict)
    """The stored objects, as the replica has seen them."""
    usage: NamespaceUsage = field(default_factory=NamespaceUsage)
    """The counts of these objects."""
    known: tuple[Ledger, int] = field(default_factory=lambda: (Ledger(), 0))
    escrows: Escrows = field(default_factory=lambda: Escrows("replica"))
    frozen: Write | None = None
    sent: Write | None = None
    """The write in flight, whose answer the replica waits for."""
    taking: Taking = Taking()
    """The moment when the replica took its escrow."""

    @property
    def view(self) -> View:
        return View(self.seen, self.heard)

    @property
    def holding(self) -> Holding | None:
        return self.escrows.held("ns")

    def read(self, storage: Storage, events: int) -> None:
        for event in storage.log[self.seen : self.seen + events]:
            self.seen += 1
            if isinstance(event, float):
                self.heard = max(self.heard, event)
            else:
                self._see(event)

    def _see(self, stored: Stored) -> None:
        for name in {*self.stored, *stored}:
            tags = stored.get(name)
            if tags is not self.stored.get(name):
                self.usage.put(name, None if tags is None else StreamUsage(tags))
        self.stored = stored

    def crash(self) -> None:
        """Forget the requests that were admitted and not written."""
        self.escrows, self.frozen, self.sent = Escrows("replica"), None, None

    def sight(self, time: float) -> Sight | None:
        """None if its view is too old to decide on, or it is frozen."""
        now = time + self.error
        if now - self.heard > MAX_LAG or self.frozen:
            return None
        return Sight(self.usage, self.view, now, self.limits.objects, TIMING, DOMAIN)

    def load(self, shared: SharedLedger) -> None:
        self.known = shared.ledger, shared.version

    def may_read(self, shared: SharedLedger) -> bool:
        """Whether the replica can parse each row of the ledger."""
        ledger = shared.ledger
        return not self.old or shared.by_old or not (ledger or ledger.escrows)

    def from_escrow(self, request: Request, sight: Sight) -> Admitted | None:
        """The answer to a request that the replica admits without a write."""
        holding, claims = self.holding, request.claims
        holder = request.holder or holder_of(claims)
        waits = self.sent and not self.escrows.is_arriving("ns")
        if request.holder or holding is None or waits:
            return None
        if not self.escrows.admit("ns", holder, claims, sight):
            return None
        names = claims.adds.touched_streams
        of_streams = holding.effective(sight.usage, names)
        return Admitted(replace(request, holder=holder), _of(of_streams, names), self.limits)

    def on_ledger(self, request: Request, sight: Sight) -> Write | None:
        """The write that admits a request; None for a refusal."""
        write = self.begin(sight)
        if write is None:
            return None
        ledger, effective = write
        claims, holder = request.claims, request.holder or holder_of(request.claims)
        if not decide_on(ledger, effective, holder, claims, sight).allowed:
            return None
        names = claims.adds.touched_streams
        used = _of_namespace(effective) | _of(effective, names)
        admitted = Admitted(replace(request, holder=holder), used, self.limits)
        return Write(ledger, self.known[1], self.limits, None, admitted, sight.now - self.error)

    def begin(self, sight: Sight) -> tuple[Ledger, EffectiveUsage] | None:
        """None if its view does not cover the ledger."""
        ledger = self.known[0].copy()
        if not ledger.covered_by(self.view, TIMING):
            return None
        held = self.escrows.held_in("ns", ledger)
        return ledger, begin(ledger, held, sight)

    def with_escrow(self, write: Write, sight: Sight, places: Callable[[int], int]) -> Write:
        """The same write, with an escrow if there are free places."""
        left = headroom(write.ledger, sight.usage, sight.limits)
        if self.old or left is None or left <= 0:
            return write
        key = f"escrow-{next(_KEYS)}"
        taken = take_escrow(write.ledger, key, places(left), ESCROW, sight)
        return replace(write, taken=taken)

    def send(self, write: Write, shared: SharedLedger) -> bool:
        """Returns False for a conflict."""
        ledger = _as_the_old_version_writes(write.ledger) if self.old else write.ledger
        if not shared.save(ledger, write.version, by_old=self.old):
            self.escrows.refused("ns")
            self.load(shared)
            return False
        self.escrows.written("ns", write.taken)
        self.load(shared)
        return True


def _as_the_old_version_writes(ledger: Ledger) -> Ledger:
    """The ledger as the version without escrows writes it."""
    return Ledger([replace(row, seen=0) for row in ledger], ledger.floor)


def _of_namespace(effective: EffectiveUsage) -> dict[Count, int]:
    streams, images, tags = effective.counts()
    return {("streams", ""): streams, ("images", ""): images, ("tags", ""): tags}


def _of(effective: EffectiveUsage, names: set[str]) -> dict[Count, int]:
    used: dict[Count, int] = {}
    for name in names:
        used["images_of_stream", name], used["tags_of_stream", name] = effective.counts_of(name)
    return used
