"""The quota enforcer: one decision after another per namespace, written once per batch.

Requests that wait for the same namespace are decided together in memory, each on the usage
that the ones before it leave, and their reservations are written with one compare-and-swap.
While a namespace is hot, an escrow is taken with that write, and most requests need none.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from app.admission.cancelling import cancel
from app.admission.decision import Sight, decide_all
from app.admission.escrows import Escrows, renew_at
from app.admission.waiting import Waiting, answer, fail, give_up
from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.policy.enforcement import ENFORCED, Enforcement
from app.policy.verdict import Verdict
from app.quota.ledger import Ledger, Timing
from app.quota.members import Claims, holder_of
from app.quota.state import ClusterState, NamespaceView, StateUnavailableError, require_available
from app.quota.store import LedgerConflictError, LedgerStore

logger = logging.getLogger("registry_admission.quota")

_CATCH_UP = 0.005
"""Seconds between two checks that this replica's view has reached the ledger's floor."""
_PAUSE = 0.015
_MAX_PAUSE = 0.06
_CALM = 0.8
"""Seconds, and a factor. After a conflict, a replica waits longer before it decides, so that its
batches grow. Each success shortens the wait."""
_RECALL = 2.0
"""Seconds for other replicas to give back what they hold in escrow."""
_ASK_AGAIN = 0.2


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
        self._escrows = Escrows(ledgers.replica)
        ledgers.on_recall(self._recalled)
        self._waiting: dict[str, list[Waiting]] = {}
        self._deciding: set[str] = set()
        """Namespaces for which a write of the ledger is decided on or sent."""
        self._due: set[str] = set()
        """Namespaces whose escrow is to be given back."""
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
        namespace, name = claims.namespace, holder or holder_of(claims)
        # What has a holder of its own may be cancelled by another replica, so it is written.
        in_escrow = reserve and not holder
        waiting = Waiting(claims, view.limits, name, reserve, in_escrow, exemption)
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

        Raises StateUnavailableError; then it ends at its expiry.
        """
        return await cancel(self._ledgers, namespace, holder)

    def reservations(self) -> int:
        return self._ledgers.reservations()

    async def close(self) -> None:
        """Name what was admitted from escrows, and give their places back for good."""
        self._escrows.stop()
        # A write that is on its way may bring another.
        for namespace in {*self._escrows.namespaces(), *self._deciding}:
            self._give_back(namespace)
        if self._workers:
            await asyncio.wait(self._workers)

    def _recalled(self, namespace: str) -> None:
        """Another replica needs the places that are held in escrow."""
        self._escrows.cool(namespace, self._clock())
        # A write whose answer is on its way may have brought one, too.
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
        """Those who wait for a namespace, and somebody who works on them."""
        if namespace not in self._waiting:
            self._waiting[namespace] = []
            worker = asyncio.create_task(self._work(namespace), name=f"quota {namespace}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return self._waiting[namespace]

    async def _work(self, namespace: str) -> None:
        """Decide batches until no request waits for the namespace."""
        while self._waiting[namespace] or namespace in self._due:
            pause = self._pause.get(namespace)
            if pause:
                await asyncio.sleep(random.uniform(0, pause))
            batch = self._take(namespace)
            if not batch and namespace not in self._due:
                continue
            try:
                verdicts = await self._decide_batch(namespace, batch)
            except LedgerConflictError:
                # Decide again on the new ledger, together with requests that arrived meanwhile.
                self._waiting[namespace] = batch + self._waiting[namespace]
                self._pause[namespace] = min(_MAX_PAUSE, self._pause.get(namespace, 0.0) + _PAUSE)
            except Exception as error:
                self._due.discard(namespace)
                if not isinstance(error, StateUnavailableError):
                    logger.exception("deciding failed", extra={"namespace": namespace})
                    error = StateUnavailableError(f"the quota enforcer failed: {error}")
                fail(batch, error)
            else:
                self._calm(namespace)
                blocked = answer(batch, verdicts)
                if blocked:
                    self._waiting[namespace] = blocked + self._waiting[namespace]
                    await self._recall(namespace, blocked)
        del self._waiting[namespace]

    async def _recall(self, namespace: str, blocked: list[Waiting]) -> None:
        """Ask for the escrows of others; what has waited for them too long is not decided."""
        now = asyncio.get_running_loop().time()
        for waiting in blocked:
            waiting.recalled_at = waiting.recalled_at or now
        late = StateUnavailableError(
            f"other replicas hold places of namespace {namespace} and do not give them back; "
            "those of a replica that has crashed are free again in a few minutes"
        )
        fail([one for one in blocked if now - (one.recalled_at or now) > _RECALL], late)
        try:
            await self._ledgers.recall(namespace)
            _, asked = await self._ledgers.load(namespace)
            while asyncio.get_running_loop().time() < now + _ASK_AGAIN:
                await asyncio.sleep(_CATCH_UP)
                _, version = await self._ledgers.load(namespace)
                if version != asked:
                    break
        except StateUnavailableError as error:
            fail(blocked, error)

    def _calm(self, namespace: str) -> None:
        pause = self._pause.pop(namespace, 0.0) * _CALM
        if pause > _PAUSE / 4:
            self._pause[namespace] = pause

    def _take(self, namespace: str) -> list[Waiting]:
        """The waiting requests that have not been cancelled, and no escrow has room for."""
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
        """Admit a request from an escrow. Nothing may be deciding on the ledger meanwhile."""
        namespace = waiting.claims.namespace
        if not waiting.in_escrow or self._escrows.held(namespace) is None:
            return False
        try:
            sight = self._sight(namespace, waiting.limits)
        except StateUnavailableError:
            return False
        return self._escrows.admit(namespace, waiting.holder, waiting.claims, sight)

    async def _decide_batch(self, namespace: str, batch: list[Waiting]) -> list[Verdict | None]:
        """One verdict for each, or None for one that others' escrows are in the way of.

        Raises LedgerConflictError if none of them holds.
        """
        ledger, version = await self._covered_ledger(namespace)
        self._escrows.meet(namespace, len(batch))
        self._deciding.add(namespace)
        # Who asks for the escrow from now on asks for the next one.
        due = namespace in self._due and self._escrows.may_hold(namespace)
        self._due.discard(namespace)
        try:
            verdicts = self._decide_on(ledger, namespace, batch)
            if not all(verdict and verdict.allowed for verdict in verdicts):
                _, latest = await self._ledgers.refresh(namespace)
                if latest != version:
                    ledger, version = await self._covered_ledger(namespace)
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
        """Raises LedgerConflictError and StateUnavailableError."""
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
        if taken is not None:
            key = taken.escrow.key
            # The write may have taken a part of the time for which it is usable.
            wait = max(renew_at(taken) - self._clock(), 0.0)
            asyncio.get_running_loop().call_later(wait, self._renew, namespace, key)

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
        self, ledger: Ledger, namespace: str, batch: list[Waiting]
    ) -> list[Verdict | None]:
        sight = self._sight(namespace, self._state.limits(namespace))
        held = self._escrows.held_in(namespace, ledger, sight.now)
        return decide_all(ledger, held, batch, sight)

    def _sight(self, namespace: str, limits: NamespaceLimits) -> Sight:
        seen = self._state.usage(namespace), self._state.view(), self._clock()
        return Sight(*seen, limits, self._timing, self._domain, self._enforcement)
