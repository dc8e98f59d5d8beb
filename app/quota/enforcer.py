"""The quota enforcer: one decision after another per namespace, written once per batch.

Requests that wait for the same namespace are decided together in memory, each on the usage
that the ones before it leave, and their reservations are written with one compare-and-swap.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.cluster.state import ClusterState, StateUnavailableError, require_available
from app.model.domain import ApiDomain
from app.policy import image_quota
from app.policy.verdict import Verdict
from app.quota.effective import Effective
from app.quota.ledger import Ledger, Reservation, Timing, holder_of
from app.quota.members import Claims
from app.quota.store import LedgerConflictError, LedgerStore

logger = logging.getLogger("registry_admission.quota")

_MAX_ATTEMPTS = 8


@dataclass
class _Waiting:
    claims: Claims
    holder: str
    reserve: bool
    answer: asyncio.Future[Verdict] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Enforcer:
    """Decides claims exactly: what it admits never passes a limit, whoever else asks."""

    def __init__(
        self,
        state: ClusterState,
        ledgers: LedgerStore,
        domain: ApiDomain,
        timing: Timing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._ledgers = ledgers
        self._domain = domain
        self._timing = timing
        self._clock = clock
        self._waiting: dict[str, list[_Waiting]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def decide(
        self, claims: Claims, *, reserve: bool = True, holder: str = "", within: float = 10.0
    ) -> Verdict:
        """Whether a namespace has room for what a request claims.

        With `reserve`, an allowed request holds its members until they are seen stored or the
        reservation expires. Equal claims share a reservation unless a `holder` is named.
        Raises StateUnavailableError if there is no safe answer `within` that many seconds.
        """
        require_available(self._state)
        if not self._must_count(claims):
            return Verdict()
        waiting = _Waiting(claims, holder or holder_of(claims.adds), reserve)
        self._enqueue(waiting)
        try:
            return await asyncio.wait_for(waiting.answer, within)
        except TimeoutError:
            raise StateUnavailableError(
                f"the quota of namespace {claims.namespace} was not decided in {within:g} s"
            ) from None

    async def cancel(self, namespace: str, holder: str) -> bool:
        """Give back what a holder has reserved; False if it holds nothing any more."""
        for _ in range(_MAX_ATTEMPTS):
            ledger, version = await self._ledgers.load(namespace)
            if not ledger.cancel(holder):
                return False
            try:
                await self._ledgers.save(namespace, ledger, version)
            except LedgerConflictError:
                continue
            return True
        raise StateUnavailableError(f"the ledger of namespace {namespace} is too busy")

    def reservations(self) -> int:
        return self._ledgers.reservations()

    def _must_count(self, claims: Claims) -> bool:
        """A namespace without limits, and a request that adds nothing, need no ledger."""
        if not self._state.limits(claims.namespace).limits_members:
            return False
        usage = self._state.usage(claims.namespace)
        return bool(claims.open_ended or usage.missing(claims.adds))

    def _enqueue(self, waiting: _Waiting) -> None:
        namespace = waiting.claims.namespace
        queue = self._waiting.get(namespace)
        if queue is not None:
            queue.append(waiting)
            return
        self._waiting[namespace] = [waiting]
        worker = asyncio.create_task(self._work(namespace), name=f"quota {namespace}")
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self, namespace: str) -> None:
        """Decide batches until nobody waits for the namespace any more."""
        while batch := self._waiting[namespace]:
            self._waiting[namespace] = []
            live = [waiting for waiting in batch if not waiting.answer.done()]
            try:
                verdicts = await self._decide_batch(namespace, live)
            except Exception as error:
                if not isinstance(error, StateUnavailableError):
                    logger.exception("deciding failed", extra={"namespace": namespace})
                    error = StateUnavailableError(f"the quota enforcer failed: {error}")
                _settle_all(live, error)
            else:
                for waiting, verdict in zip(live, verdicts, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(verdict)
        del self._waiting[namespace]

    async def _decide_batch(self, namespace: str, batch: list[_Waiting]) -> list[Verdict]:
        for _ in range(_MAX_ATTEMPTS):
            ledger, version = await self._ledgers.load(namespace)
            require_available(self._state)
            usage, now, view = self._state.usage(namespace), self._clock(), self._state.view()
            ledger.settle(usage, now=now, view=view, timing=self._timing)
            effective = ledger.effective(usage, view)
            decided = [self._decide_one(waiting, ledger, effective, now) for waiting in batch]
            if not any(reserved for _, reserved in decided):
                return [verdict for verdict, _ in decided]
            try:
                await self._ledgers.save(namespace, ledger, version)
            except LedgerConflictError:
                continue
            return [verdict for verdict, _ in decided]
        raise StateUnavailableError(f"the ledger of namespace {namespace} is too busy")

    def _decide_one(
        self, waiting: _Waiting, ledger: Ledger, effective: Effective, now: float
    ) -> tuple[Verdict, bool]:
        """The verdict, and whether the ledger holds a new reservation because of it."""
        claims = waiting.claims
        limits = self._state.limits(claims.namespace)
        verdict = image_quota.check(claims, effective, limits, self._domain)
        unseen = self._state.usage(claims.namespace).missing(claims.adds)
        if not (verdict.allowed and waiting.reserve and unseen):
            return verdict, False
        ledger.reserve(Reservation(waiting.holder, unseen, now, now + self._timing.expiry))
        effective.add(unseen)
        return verdict, True


def _settle_all(batch: list[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
