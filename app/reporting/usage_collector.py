"""Reads the usage of a cluster once, and follows its changes if asked to.

Unlike the state that decisions read, it writes no heartbeat and may lag.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain

from app.cluster.api import ApiError, Content, ForbiddenError, GoneError, KubeApi, NotFoundError
from app.cluster.heartbeat import Heartbeat
from app.cluster.informer import Informer, Key, Store
from app.cluster.ledgers import LABEL, KubernetesLedgers
from app.cluster.stores import Changed, LimitObjects, Streams
from app.cluster.unreadable import Unreadable, UnreadableObjects
from app.model.domain import ApiDomain
from app.model.limits import LimitRange, NamespaceLimits, ResourceQuota
from app.quota.in_flight import InFlight, in_flight
from app.quota.members import StreamTag
from app.quota.push_times import PushTimes
from app.quota.state import StateUnavailableError
from app.quota.usage import NamespaceUsage
from app.reporting.size_collector import SizeCollector
from app.reporting.stored_bytes import Blobs

_SILENCE = 150.0
"""Seconds; the API server sends bookmarks every minute."""
_PAUSE = 1.0
"""Seconds over which changes are gathered into one."""
_LOOK = 10.0
"""Seconds between checks that the watches are alive."""
_TRIES = 3


class UsageCollector:
    """Limits, streams and ledgers of a cluster, or of some namespaces.

    For some namespaces, only reading the sizes of images needs a cluster-wide right.
    """

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        *,
        service_namespace: str,
        namespaces: Collection[str] = (),
        only: Collection[str] | None = None,
        ledgers: bool = True,
        times: bool = True,
    ) -> None:
        """`namespaces`: the namespaces to read; empty: all. `only`: the namespaces to report; None:
        all that are read. `times`: whether `pushed` will be asked for."""
        self._only = only
        self._changed = asyncio.Event()
        self._followed = False
        heartbeat = Heartbeat(
            api, group=domain.image_group, namespace=service_namespace, max_error=0.0
        )
        self._scopes = {
            name: _Scope(api, domain, heartbeat, name, self._notice, times)
            for name in namespaces or ("",)
        }
        self._sizes = SizeCollector(api, domain)
        self._ledgers = KubernetesLedgers(api, service_namespace, identity="")
        self._ledgers_problem = ""
        self._ledgers_informer: Informer | None = None
        if ledgers:
            self._ledgers_informer = Informer(
                api,
                self._ledgers.path,
                "ledgers",
                _Noticing(self._ledgers, self._notice),
                silence=_SILENCE,
                select=LABEL,
            )

    async def read(self) -> None:
        """List everything. Raises ApiError. A refusal by RBAC to read ledgers is only noted."""
        scopes = (scope.read() for scope in self._scopes.values())
        await asyncio.gather(*scopes, self._read_ledgers())
        self._changed.clear()

    def namespaces(self) -> list[str]:
        found = {name for scope in self._scopes.values() for name in scope.namespaces()}
        return sorted(found if self._only is None else found.intersection(self._only))

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._scope(namespace).limits[namespace]

    def limit_ranges(self, namespace: str) -> Sequence[LimitRange]:
        return self._scope(namespace).limits.limit_ranges.in_namespace(namespace)

    def quotas(self, namespace: str) -> Sequence[ResourceQuota]:
        return self._scope(namespace).limits.quotas.in_namespace(namespace)

    def usage(self, namespace: str) -> NamespaceUsage:
        return self._scope(namespace).streams.usage[namespace]

    def pushed(self, namespace: str) -> Mapping[StreamTag, datetime]:
        return self._scope(namespace).times.of(namespace, self.usage(namespace))

    async def in_flight(self, namespace: str) -> InFlight | None:
        if self._ledgers_informer is None:
            return None
        try:
            ledger, _ = await self._ledgers.load(namespace)
        except StateUnavailableError:
            return None
        return in_flight(ledger, self.usage(namespace), time.time())

    async def expect_sizes(self, count: int, *, blobs: bool = False) -> None:
        self._sizes.keeps_blobs = blobs
        if "" in self._scopes:
            await self._sizes.expect(count)

    async def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        return await self._sizes.of(digests)

    async def blobs(self, digests: Collection[str]) -> Mapping[str, Blobs]:
        return await self._sizes.blobs(digests)

    def notes(self) -> list[str]:
        stale = [informer.problem() for informer in self._informers()] if self._followed else []
        unreadable = (str(found) for scope in self._scopes.values() for found in scope.unreadable())
        notes = (self._ledgers_problem, self._sizes.problem, *stale, *unreadable)
        return [note for note in notes if note]

    async def changes(self) -> AsyncGenerator[None, None]:
        self._followed = True
        tasks = [asyncio.create_task(informer.run()) for informer in self._informers()]
        notes = self.notes()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _LOOK)
                    await asyncio.sleep(_PAUSE)
                if self._changed.is_set() or notes != self.notes():
                    self._changed.clear()
                    notes = self.notes()
                    yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _scope(self, namespace: str) -> "_Scope":
        return self._scopes[""] if "" in self._scopes else self._scopes[namespace]

    def _informers(self) -> list[Informer]:
        found = [informer for scope in self._scopes.values() for informer in scope.informers]
        return [*found, self._ledgers_informer] if self._ledgers_informer else found

    async def _read_ledgers(self) -> None:
        if self._ledgers_informer is None:
            return
        try:
            await _load(self._ledgers_informer)
        except ForbiddenError as error:
            self._ledgers_informer = None
            self._ledgers_problem = f"reservations in flight are not readable: {error}"

    def _notice(self, _namespace: str) -> None:
        self._changed.set()


class _Scope:
    """The informers of one namespace; "" stands for the whole cluster."""

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        heartbeat: Heartbeat,
        name: str,
        changed: Changed,
        times: bool,
    ) -> None:
        self.limits = LimitObjects(domain, changed)
        self.times = PushTimes()
        unreadable = UnreadableObjects(f"{domain.image_group}/v1", "ImageStream")
        self.streams = Streams(heartbeat, changed, unreadable, self.times if times else None)
        self._group = domain.image_group
        inside = f"namespaces/{name}/" if name else ""

        def informer(path: str, resource: str, store: Store) -> Informer:
            title = f"{inside}{resource}"
            return Informer(api, f"{path}/{title}", title, store, silence=_SILENCE)

        self._streams_informer = informer(f"/apis/{self._group}/v1", "imagestreams", self.streams)
        self.informers = [
            informer("/api/v1", "limitranges", self.limits.limit_ranges),
            informer("/api/v1", "resourcequotas", self.limits.quotas),
            self._streams_informer,
        ]

    async def read(self) -> None:
        await asyncio.gather(*map(self._load, self.informers))

    def namespaces(self) -> set[str]:
        return {*self.limits, *self.streams.usage}

    def unreadable(self) -> Iterator[Unreadable]:
        return chain(
            self.limits.limit_ranges.unreadable,
            self.limits.quotas.unreadable,
            self.streams.unreadable,
        )

    async def _load(self, informer: Informer) -> None:
        try:
            await _load(informer)
        except NotFoundError as error:
            problem = f"the cluster does not serve {self._group}/v1: is the API domain right?"
            raise ApiError(error.status, problem) from None


class _Noticing:
    """A store that signals its changes."""

    def __init__(self, store: Store, changed: Changed) -> None:
        self._store = store
        self._changed = changed

    def put(self, key: Key, content: Content) -> None:
        self._store.put(key, content)
        self._changed(key[0])

    def remove(self, key: Key) -> None:
        self._store.remove(key)
        self._changed(key[0])

    def retain(self, keys: set[Key]) -> None:
        self._store.retain(keys)


async def _load(informer: Informer) -> None:
    """List again if the API server has dropped the list's continue token (410 Gone)."""
    for remaining in reversed(range(_TRIES)):
        try:
            await informer.load()
        except GoneError:
            if not remaining:
                raise
        else:
            return
