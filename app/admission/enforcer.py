"""The quota enforcer: one decision after another per namespace, written once per batch.

Requests that wait for the same namespace are decided together in memory, each on the usage
that the ones before it leave, and their reservations are written with one compare-and-swap.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.policy import image_quota
from app.policy.enforcement import ENFORCED, Enforcement
from app.policy.verdict import Verdict
from app.quota.effective import Effective
from app.quota.ledger import Floor, Ledger, Timing, holder_of
from app.quota.members import Claims
from app.quota.state import (
    ClusterState,
    NamespaceView,
    StateUnavailableError,
    require_available,
)
from app.quota.store import LedgerConflictError, LedgerStore
from app.quota.usage import NamespaceUsage

logger = logging.getLogger("registry_admission.quota")

_CANCEL_ATTEMPTS = 8
_CATCH_UP = 0.005
"""Seconds between two checks that this replica's view has reached the ledger's floor."""
_PAUSE = 0.015
_MAX_PAUSE = 0.06
_CALM = 0.8
"""Seconds, and a factor. After a conflict, a replica waits longer before it decides: its batches
grow, and its writes become fewer. Each success shortens the wait."""


@dataclass
class _Waiting:
    claims: Claims
    limits: NamespaceLimits
    holder: str
    reserve: bool
    exemption: str
    answer: asyncio.Future[Verdict] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Enforcer:
    """Decides claims exactly: admitted claims never exceed a limit, with any number of replicas."""

    def __init__(
        self,
        state: ClusterState,
        ledgers: LedgerStore,
        domain: ApiDomain,
        timing: Timing,
        clock: Callable[[], float] = time.time,
        enforcement: Enforcement = ENFORCED,
    ) -> None:
        self._state = state
        self._ledgers = ledgers
        self._domain = domain
        self._timing = timing
        self._clock = clock
        self._enforcement = enforcement
        self._waiting: dict[str, list[_Waiting]] = {}
        self._pause: dict[str, float] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def decide(
        self,
        claims: Claims,
        view: NamespaceView,
        *,
        reserve: bool = True,
        holder: str = "",
        within: float = 10.0,
        exemption: str = "",
    ) -> Verdict:
        """Whether a namespace has room for the members that a request claims.

        With `reserve`, an allowed request holds its members until they are seen stored or the
        reservation expires. Equal claims share a reservation unless a `holder` is named.
        What passes a limit that is not enforced, or has an `exemption`, counts all the same.
        Raises StateUnavailableError if there is no safe answer `within` that many seconds.
        """
        if not (view.limits.limits_members and claims.adds):
            return Verdict()  # Without a limit or a claim, no ledger is needed.
        waiting = _Waiting(claims, view.limits, holder or holder_of(claims), reserve, exemption)
        self._enqueue(waiting)
        timer = asyncio.get_running_loop().call_later(within, _give_up, waiting, within)
        try:
            return await waiting.answer
        finally:
            timer.cancel()

    async def cancel(self, namespace: str, holder: str) -> bool:
        """Cancel the reservation of a holder. Returns False if it has none.

        Raises StateUnavailableError. Then the reservation ends at its expiry.
        """
        for attempt in range(_CANCEL_ATTEMPTS):
            ledger, version = await self._ledgers.load(namespace)
            if not ledger.cancel(holder):
                # Another replica may have reserved it a moment ago.
                ledger, version = await self._ledgers.refresh(namespace)
                if not ledger.cancel(holder):
                    return False
            try:
                await self._ledgers.save(namespace, ledger, version)
            except LedgerConflictError:
                await asyncio.sleep(random.uniform(0, _PAUSE * attempt))
            else:
                return True
        raise StateUnavailableError(f"the ledger of namespace {namespace} is too busy")

    def reservations(self) -> int:
        return self._ledgers.reservations()

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
        """Decide batches until no request waits for the namespace."""
        while self._waiting[namespace]:
            pause = self._pause.get(namespace)
            if pause:
                await asyncio.sleep(random.uniform(0, pause))
            batch = self._take(namespace)
            try:
                verdicts = await self._decide_batch(namespace, batch)
            except LedgerConflictError:
                # Decide again on the new ledger, together with requests that arrived meanwhile.
                self._waiting[namespace] = batch + self._waiting[namespace]
                self._pause[namespace] = min(_MAX_PAUSE, self._pause.get(namespace, 0.0) + _PAUSE)
            except Exception as error:
                if not isinstance(error, StateUnavailableError):
                    logger.exception("deciding failed", extra={"namespace": namespace})
                    error = StateUnavailableError(f"the quota enforcer failed: {error}")
                _fail(batch, error)
            else:
                self._calm(namespace)
                for waiting, verdict in zip(batch, verdicts, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(verdict)
        del self._waiting[namespace]

    def _calm(self, namespace: str) -> None:
        pause = self._pause.pop(namespace, 0.0) * _CALM
        if pause > _PAUSE / 4:
            self._pause[namespace] = pause

    def _take(self, namespace: str) -> list[_Waiting]:
        """The waiting requests that have not been cancelled."""
        batch = [waiting for waiting in self._waiting[namespace] if not waiting.answer.done()]
        self._waiting[namespace] = []
        return batch

    async def _decide_batch(self, namespace: str, batch: list[_Waiting]) -> list[Verdict]:
        """One verdict for each request. Raises LedgerConflictError if the write met a conflict."""
        ledger, version = await self._covered_ledger(namespace)
        verdicts, reserved = self._decide_on(ledger, namespace, batch)
        if not all(verdict.allowed for verdict in verdicts):
            _, latest = await self._ledgers.refresh(namespace)
            if latest != version:
                ledger, version = await self._covered_ledger(namespace)
                verdicts, reserved = self._decide_on(ledger, namespace, batch)
        if reserved:
            await self._ledgers.save(namespace, ledger, version)
        return verdicts

    async def _covered_ledger(self, namespace: str) -> tuple[Ledger, str]:
        """The ledger, after this replica's view has reached its floor.

        Raises StateUnavailableError.
        """
        while True:
            ledger, version = await self._ledgers.load(namespace)
            require_available(self._state)
            if ledger.covered_by(self._state.view(), self._timing):
                return ledger, version
            await asyncio.sleep(_CATCH_UP)

    def _decide_on(
        self, ledger: Ledger, namespace: str, batch: list[_Waiting]
    ) -> tuple[list[Verdict], bool]:
        """Decide a batch one by one. Also tells whether the ledger has changed."""
        usage, now, view = self._state.usage(namespace), self._clock(), self._state.view()
        ledger.settle(usage, view)
        ledger.floor = Floor(view.position, now)
        effective = ledger.effective(usage)
        verdicts = [self._decide_one(waiting, ledger, usage, effective) for waiting in batch]
        reserved = any(w.reserve and v.allowed for w, v in zip(batch, verdicts, strict=True))
        return verdicts, reserved

    def _decide_one(
        self, waiting: _Waiting, ledger: Ledger, usage: NamespaceUsage, effective: Effective
    ) -> Verdict:
        """The verdict. An allowed request is reserved even if all that it claims is stored: it
        may be deleted before the request is stored, or be gone already and not seen."""
        claims, verdict = waiting.claims, Verdict()
        if not ledger.holds(waiting.holder, claims):
            assessment = effective.assess(claims)
            found = image_quota.check(claims, assessment, waiting.limits, self._domain)
            verdict = self._enforcement.applied(found, waiting.exemption)
        if verdict.allowed and waiting.reserve:
            expires_at = ledger.floor.set_at + self._timing.expiry
            ledger.reserve(waiting.holder, claims, usage, expires_at)
            effective.add(claims.adds, claims.removes)
        return verdict


def _give_up(waiting: _Waiting, after: float) -> None:
    namespace = waiting.claims.namespace
    problem = f"the quota of namespace {namespace} was not decided in {after:g} s"
    _fail([waiting], StateUnavailableError(problem))


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
