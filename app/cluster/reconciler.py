"""Writes `ResourceQuota.status` and tidies ledgers. Only the leader runs it."""

import asyncio
import logging
import time
from collections.abc import Callable

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.kubernetes import KubernetesState
from app.cluster.ledgers import KubernetesLedgers
from app.model.domain import ApiDomain
from app.quota.state import StateUnavailableError
from app.quota.status import status_patch
from app.quota.store import LedgerConflictError
from app.quota.view import Timing

logger = logging.getLogger("registry_admission.reconciler")

_DEBOUNCE = 0.3
"""Seconds in which the changes of one namespace cause one write."""
_RESYNC = 30.0
_TIDY = 1.0
"""Seconds between two rounds over all ledgers. A stored member that is deleted frees its place only
after its reservation has left the ledger."""
_RETRY = 2.0


class Reconciler:
    """Writes the status of changed namespaces soon, and the status of all of them every 30 s."""

    def __init__(
        self,
        api: KubeApi,
        state: KubernetesState,
        ledgers: KubernetesLedgers,
        domain: ApiDomain,
        timing: Timing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._state = state
        self._ledgers = ledgers
        self._domain = domain
        self._timing = timing
        self._clock = clock
        self._changed: set[str] | None = None
        """The namespaces to look at. None while another replica leads."""
        self._wake = asyncio.Event()
        state.on_change(self.notice)

    def notice(self, namespace: str) -> None:
        """Note that a namespace changed."""
        if self._changed is None:
            return
        if self._state.quotas.in_namespace(namespace):
            self._changed.add(namespace)
            self._wake.set()

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self._changed = set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(self._changed))
                tasks.create_task(self._resync())
                tasks.create_task(self._tidy_all())
        finally:
            self._changed = None

    async def _follow(self, changed: set[str]) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_DEBOUNCE)
            self._wake.clear()
            namespaces = sorted(changed)
            changed.clear()
            for namespace in namespaces:
                await self._write_status(namespace)

    async def _resync(self) -> None:
        while True:
            for namespace in self._state.quotas.namespaces():
                self.notice(namespace)
            await asyncio.sleep(_RESYNC)

    async def _tidy_all(self) -> None:
        while True:
            for namespace in self._ledgers.namespaces():
                await self.tidy(namespace)
            await asyncio.sleep(_TIDY)

    async def _write_status(self, namespace: str) -> None:
        if self._state.problems():
            return  # The counts may be wrong now. The next resync writes them.
        try:
            usage = self._state.usage(namespace)
        except StateUnavailableError:
            return  # The counts would be wrong. The problem is logged already.
        for quota in self._state.quotas.in_namespace(namespace):
            patch = status_patch(quota, usage, self._domain)
            if patch is None:
                continue
            name = quota.metadata.name
            path = f"/api/v1/namespaces/{namespace}/resourcequotas/{name}/status"
            try:
                await self._api.merge(path, patch)
            except NotFoundError:
                continue
            except ApiError as error:
                logger.warning("status not written", extra={"quota": name, "problem": str(error)})
                asyncio.get_running_loop().call_later(_RETRY, self.notice, namespace)

    async def tidy(self, namespace: str) -> None:
        """Remove stored and expired members from the ledger of a namespace.

        An empty ledger is deleted once every replica has seen its floor. So the ledger of a deleted
        namespace stays until its requests have ended: the namespace may be made again meanwhile.
        """
        try:
            if self._state.problems():
                return
            ledger, version = await self._ledgers.load(namespace)
            now, usage, view = self._clock(), self._state.usage(namespace), self._state.view()
            if ledger.is_spent(now, self._timing):
                await self._ledgers.discard(namespace, version)
            elif ledger.covered_by(view, self._timing) and ledger.begin(usage, view, now):
                await self._ledgers.save(namespace, ledger, version)
        except LedgerConflictError:
            return
        except (ApiError, StateUnavailableError) as error:
            logger.warning(
                "ledger not tidied", extra={"namespace": namespace, "problem": str(error)}
            )
