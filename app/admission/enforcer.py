"""The quota enforcer: decides the requests for a namespace one after another.

A service that runs alone decides each request at once, on its own ledger. With several replicas:

1. If this replica holds an escrow for the namespace and the request fits into it, the request is
   admitted at once, without a write.
2. Otherwise the request waits. One worker for each namespace takes all waiting requests as a batch.
3. It waits until this replica's view covers the floor of the ledger. Then it decides the batch in
   memory: each request on the usage that the requests before it leave.
4. It writes all reservations of the batch at once, with compare-and-swap. While the namespace is
   hot, the same write takes an escrow.
5. If another replica has written the ledger meanwhile, the batch is decided again. If a request is
   refused only because others hold escrows, they are recalled, and the request is decided again.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from app.admission.cancelling import cancel
from app.admission.catching_up import covered_ledger, covers
from app.admission.decision import Sight, decide_all
from app.admission.escrows import Escrows, renew_at
from app.admission.pauses import ConflictPauses, Retries
from app.admission.recalling import recall
from app.admission.waiting import Waiting, answer, fail, give_up
from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.policy.enforcement import ENFORCED, Enforcement
from app.policy.verdict import Verdict
from app.quota.ledger import Ledger
from app.quota.members import Claims, holder_of
from app.quota.state import ClusterState, NamespaceView, StateUnavailableError, require_available
from app.quota.store import LedgerConflictError, LedgerStore
from app.quota.view import Timing

logger = logging.getLogger("registry_admission.quota")


class Enforcer:
    """Decides claims. With any number of replicas, admitted claims never exceed a limit."""

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
        self._escrows = Escrows(ledgers.replica)
        ledgers.on_recall(self._recalled)
        self._waiting: dict[str, list[Waiting]] = {}
        self._deciding: set[str] = set()
        """The namespaces whose batch is being decided or written."""
        self._due: set[str] = set()
        """The namespaces whose escrow must be given back."""
        self._pauses = ConflictPauses()
        self._retries = Retries(self._give_back)
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

        `reserve`: reserve the members of an allowed request.
        `holder`: of the reservation. Without one, requests with equal claims share a reservation.
        `within`: seconds until an answer is due.
        `exemption`: why no limit is enforced for this request; "" if limits are. Such a request
        counts all the same.
        Raises StateUnavailableError if there is no safe answer in time.
        """
        if not (view.limits.limits_members and claims.adds):
            return Verdict()  # Without a limit or a claim, no ledger is needed.
        namespace, name = claims.namespace, holder or holder_of(claims)
        # Another replica may cancel a named holder's reservation, so the ledger must have it.
        in_escrow = reserve and not holder
        waiting = Waiting(claims, view.limits, name, reserve, in_escrow, exemption)
        verdict = self._decide_alone(waiting)
        if verdict is not None:
            return verdict
        if in_escrow:
            self._escrows.count(namespace, self._clock())
        closed = namespace in self._deciding and not self._escrows.is_arriving(namespace)
        if not closed and self._admit(waiting):
            if self._escrows.is_low(namespace):
                self._give_back(namespace)
            return Verdict()
        self._queue(namespace).append(waiting)
        timer = asyncio.get_running_loop().call_later(within, give_up, waiting, within)
        try:
            return await waiting.answer
        finally:
            timer.cancel()

    async def cancel(self, namespace: str, holder: str) -> bool:
        """Cancel the reservation of a holder. Returns False if it has none.

        Raises StateUnavailableError. Then the reservation stays until it expires.
        """
        return await cancel(self._ledgers, namespace, holder)

    def reservations(self) -> int:
        return self._ledgers.reservations()

    async def close(self) -> None:
        """Write what was admitted from escrows, and give them back, once the API server answers."""
        self._escrows.stop()
        # A write that is on its way may bring another escrow.
        for namespace in {*self._escrows.namespaces(), *self._deciding}:
            self._give_back(namespace)
        while tasks := self._workers | self._retries.planned:
            await asyncio.wait(tasks)

    def _recalled(self, namespace: str) -> None:
        """Give an escrow back because another replica recalls it."""
        self._escrows.cool(namespace, self._clock())
        # A write that is on its way may bring one as well.
        if self._escrows.may_hold(namespace) or namespace in self._deciding:
            self._give_back(namespace)

    def _give_back(self, namespace: str) -> None:
        self._due.add(namespace)
        self._queue(namespace)

    def _renew(self, namespace: str, key: str) -> None:
        holding = self._escrows.held(namespace)
        if holding is not None and holding.escrow.key == key:
            self._give_back(namespace)

    def _queue(self, namespace: str) -> list[Waiting]:
        """The waiting requests of a namespace. Starts a worker if there is none."""
        if namespace not in self._waiting:
            self._waiting[namespace] = []
            worker = asyncio.create_task(self._work(namespace), name=f"quota {namespace}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return self._waiting[namespace]

    async def _work(self, namespace: str) -> None:
        """Decide batches until no request waits and no escrow is due."""
        try:
            while self._waiting[namespace] or namespace in self._due:
                await self._pauses.wait(namespace)
                batch = self._take(namespace)
                if batch or namespace in self._due:
                    await self._answer(namespace, batch)
        finally:
            # Requests are left only after an unexpected error.
            fail(self._waiting.pop(namespace), StateUnavailableError("the quota enforcer failed"))

    async def _answer(self, namespace: str, batch: list[Waiting]) -> None:
        """Decide a batch and answer it. What must be decided again waits again."""
        try:
            verdicts = await self._decide_batch(namespace, batch)
        except LedgerConflictError:
            # Decide again on the new ledger, together with requests that arrived meanwhile.
            self._waiting[namespace] = batch + self._waiting[namespace]
            self._pauses.conflict(namespace)
        except Exception as error:
            self._due.discard(namespace)
            if not isinstance(error, StateUnavailableError):
                logger.exception("deciding failed", extra={"namespace": namespace})
                error = StateUnavailableError(f"the quota enforcer failed: {error}")
            fail(batch, error)
            if self._escrows.may_hold(namespace):
                self._retries.failure(namespace)
        else:
            self._pauses.success(namespace)
            blocked = answer(batch, verdicts)
            if blocked:
                self._waiting[namespace] = blocked + self._waiting[namespace]
                await recall(self._ledgers, namespace, blocked)

    def _take(self, namespace: str) -> list[Waiting]:
        """Take the waiting requests out of the queue. Those that fit into an escrow are admitted;
        the others are returned."""
        batch = []
        for waiting in self._waiting[namespace]:
            if waiting.answer.done():
                continue
            if self._admit(waiting):
                waiting.answer.set_result(Verdict())
            else:
                batch.append(waiting)
        self._waiting[namespace] = []
        return batch

    def _admit(self, waiting: Waiting) -> bool:
        """Admit a request from an escrow. Returns False if the ledger must decide.

        It must not run while a batch is decided, except if the escrow of its write is arriving.
        """
        namespace = waiting.claims.namespace
        if not waiting.in_escrow or self._escrows.held(namespace) is None:
            return False
        try:
            # The request may have waited since its limits were read.
            require_available(self._state)
            sight = self._sight(namespace, waiting.limits)
        except StateUnavailableError:
            return False
        return self._escrows.admit(namespace, waiting.holder, waiting.claims, sight)

    def _decide_alone(self, waiting: Waiting) -> Verdict | None:
        """Decide a request on a ledger that only this process writes.

        Returns None if other replicas write it, or if the request must wait: for others, or for
        this replica's view. Raises StateUnavailableError.
        """
        namespace = waiting.claims.namespace
        ledger = self._ledgers.own(namespace)
        if ledger is None or namespace in self._waiting:
            return None
        if not covers(self._state, ledger, self._timing):
            return None
        [verdict] = self._decide_on(ledger, namespace, [waiting])
        return verdict

    async def _decide_batch(self, namespace: str, batch: list[Waiting]) -> list[Verdict | None]:
        """Decide a batch and write its reservations.

        Returns one verdict for each request; None if only escrows of others are in its way.
        Raises LedgerConflictError if the batch must be decided again.
        """
        ledger, version = await covered_ledger(self._ledgers, namespace, self._state, self._timing)
        self._escrows.meet(namespace, sum(one.in_escrow for one in batch))
        self._deciding.add(namespace)
        # A recall that comes from now on means the next escrow.
        due = namespace in self._due and self._escrows.may_hold(namespace)
        self._due.discard(namespace)
        try:
            verdicts = self._decide_on(ledger, namespace, batch)
            if not all(verdict and verdict.allowed for verdict in verdicts):
                _, latest = await self._ledgers.refresh(namespace)
                if latest != version:
                    ledger, version = await covered_ledger(
                        self._ledgers, namespace, self._state, self._timing
                    )
                    verdicts = self._decide_on(ledger, namespace, batch)
            pairs = zip(batch, verdicts, strict=True)
            reserved = any(one.reserve and verdict and verdict.allowed for one, verdict in pairs)
            if reserved or due:
                await self._write(namespace, ledger, version)
            return verdicts
        except LedgerConflictError:
            self._due |= {namespace} if due else set()
            raise
        finally:
            self._deciding.discard(namespace)

    async def _write(self, namespace: str, ledger: Ledger, version: str) -> None:
        """Write the ledger, with a new escrow if that pays, and plan the renewal of the escrow.

        Raises LedgerConflictError and StateUnavailableError.
        """
        sight = self._sight(namespace, self._state.limits(namespace))
        taken = self._escrows.take(namespace, ledger, sight)
        self._escrows.send(namespace, taken)
        try:
            await self._ledgers.save(namespace, ledger, version)
        except LedgerConflictError:
            self._escrows.refused(namespace)
            raise
        except Exception:
            self._escrows.doubt(namespace, taken)
            raise
        self._escrows.written(namespace, taken)
        self._retries.success(namespace)
        if taken is not None:
            # The escrow's time has run since before the write.
            wait = max(renew_at(taken) - self._clock(), 0.0)
            asyncio.get_running_loop().call_later(wait, self._renew, namespace, taken.escrow.key)

    def _decide_on(
        self, ledger: Ledger, namespace: str, batch: list[Waiting]
    ) -> list[Verdict | None]:
        sight = self._sight(namespace, self._state.limits(namespace))
        held = self._escrows.held_in(namespace, ledger)
        return decide_all(ledger, held, batch, sight)

    def _sight(self, namespace: str, limits: NamespaceLimits) -> Sight:
        seen = self._state.usage(namespace), self._state.view(), self._clock()
        return Sight(*seen, limits, self._timing, self._domain, self._enforcement)
