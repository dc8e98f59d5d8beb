"""Keeps `ResourceQuota.status` true and ledgers tidy; one replica does it for all."""

import asyncio
import logging
import time
from collections.abc import Callable

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.kubernetes import KubernetesState
from app.cluster.ledgers import KubernetesLedgers
from app.model.domain import ApiDomain
from app.quota.ledger import Timing
from app.quota.state import StateUnavailableError
from app.quota.status import status_patch
from app.quota.store import LedgerConflictError

logger = logging.getLogger("registry_admission.reconciler")

_DEBOUNCE = 0.3
"""Seconds in which the changes of one namespace are written once."""
_RESYNC = 30.0
_TIDY = 1.0
"""Seconds; what is stored leaves the ledgers this often, so that deleting it makes room."""
_RETRY = 2.0


class Reconciler:
    """Writes what changed, once per change, and looks at everything now and then."""

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
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        state.on_change(self.notice)

    def notice(self, namespace: str) -> None:
        """Something in a namespace changed, or the namespace is gone."""
        if self._state.quotas.in_namespace(namespace) or namespace not in self._state.namespaces:
            self._changed.add(namespace)
            self._wake.set()

    async def run(self) -> None:
        """Reconcile until cancelled; only the leader runs this."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._resync())
            tasks.create_task(self._tidy_all())

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_DEBOUNCE)
            self._wake.clear()
            changed, self._changed = self._changed, set()
            for namespace in sorted(changed):
                await self._write_status(namespace)
                if namespace not in self._state.namespaces:
                    await self.tidy(namespace)

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
            # What is not known must not be written as true; the next resync comes back to it.
            return
        try:
            usage = self._state.usage(namespace)
        except StateUnavailableError:
            return  # It is logged already, and the count would be wrong.
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
        """Drop what is stored, so that deleting it gives its place back, and what has expired.

        A ledger that is empty goes once no replica can have seen less than its floor; that of a
        namespace that is gone goes, too, unless it may come back while an escrow is in use.
        """
        try:
            gone = await self._is_gone(namespace)
            if self._state.problems():
                return
            ledger, version = await self._ledgers.load(namespace)
            now, usage, view = self._clock(), self._state.usage(namespace), self._state.view()
            if (gone and not ledger.is_given_out(view)) or ledger.is_spent(now, self._timing):
                await self._ledgers.discard(namespace, version)
            elif ledger.covered_by(view, self._timing) and ledger.begin(usage, view, now):
                await self._ledgers.save(namespace, ledger, version)
        except LedgerConflictError:
            return
        except (ApiError, StateUnavailableError) as error:
            logger.warning(
                "ledger not tidied", extra={"namespace": namespace, "problem": str(error)}
            )

    async def _is_gone(self, namespace: str) -> bool:
        """Asked of the API server: a watch that lags has not heard of a new namespace yet."""
        if namespace in self._state.namespaces:
            return False
        try:
            await self._api.get(f"/api/v1/namespaces/{namespace}")
        except NotFoundError:
            return True
        return False
