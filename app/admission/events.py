"""Writes Events on ImageStreams whose pushes are refused, for `kubectl describe`."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from cachetools import LRUCache

from app.admission.review import AdmissionRequest, Outcome
from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.event import new_event, timestamp
from app.model.domain import ApiDomain
from app.policy.verdict import shortened

logger = logging.getLogger("registry_admission.events")

_QUIET = 60.0
"""Seconds over which equal refusals are counted in one Event."""
_QUEUE = 100
_REMEMBERED = 5000
_PER_NAMESPACE = 10
"""Events of one namespace at once; one more every `_EACH` seconds."""
_EACH = 30.0
_FOR_ALL = 50
"""Events of all namespaces at once; one more every `_EACH_FOR_ALL` seconds."""
_EACH_FOR_ALL = 1.0
_MAX_MESSAGE = 1024


@dataclass
class _Series:
    name: str
    first: float
    written: float
    count: int = 1


@dataclass(frozen=True)
class _Refusal:
    """The parts of a refusal that an Event needs. The queue keeps no large objects in memory."""

    namespace: str
    stream: str
    reason: str
    message: str
    series: _Series


class _Budget:
    """A budget: a burst at once, then one more every few seconds."""

    def __init__(self, size: int, each: float) -> None:
        self._size = size
        self._each = each
        self._spent_until = 0.0

    def has_room(self, now: float) -> bool:
        return self._spent_until - now <= (self._size - 1) * self._each

    def spend(self, now: float) -> None:
        self._spent_until = max(self._spent_until, now) + self._each


class RefusalEvents:
    """Aggregates refusals by stream and reason, and writes each at most once a minute.

    Each namespace has a budget of Events, and so has the whole service. Refusals beyond a budget,
    or beyond the queue, are in the log only.
    """

    def __init__(
        self, api: KubeApi, domain: ApiDomain, identity: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._domain = domain
        self._identity = identity
        self._clock = clock
        self._series: LRUCache[tuple[str, str, str], _Series] = LRUCache(_REMEMBERED)
        self._budgets: LRUCache[str, _Budget] = LRUCache(_REMEMBERED)
        self._budget = _Budget(_FOR_ALL, _EACH_FOR_ALL)
        self._queue: asyncio.Queue[_Refusal] = asyncio.Queue(_QUEUE)

    def refused(self, request: AdmissionRequest, outcome: Outcome) -> None:
        """Note a review that was refused, or would be if its limits were enforced. Never waits,
        never fails."""
        if not _concerns(outcome) or request.dry_run:
            return
        if request.kind.group != self._domain.image_group:
            return
        stream = request.name.partition(":")[0]
        if not stream or not request.namespace:
            return
        now = self._clock()
        key = (request.namespace, stream, ",".join(outcome.reasons))
        series = self._series.get(key)
        if series is not None and now - series.written < _QUIET:
            series.count += 1
            return
        if self._queue.full() or not self._spend(request.namespace, now):
            return
        if series is None:
            series = _Series(f"{stream[:200]}.{time.time_ns():x}", now, now)
            self._series[key] = series
        else:
            series.count += 1
            series.written = now
        message = shortened(outcome.message, _MAX_MESSAGE)
        refusal = _Refusal(request.namespace, stream, outcome.reasons[0], message, series)
        self._queue.put_nowait(refusal)

    def _spend(self, namespace: str, now: float) -> bool:
        """Whether one more Event may be written."""
        own = self._budgets.setdefault(namespace, _Budget(_PER_NAMESPACE, _EACH))
        if not (own.has_room(now) and self._budget.has_room(now)):
            return False
        own.spend(now)
        self._budget.spend(now)
        return True

    async def run(self) -> None:
        """Write Events until cancelled."""
        while True:
            await self._write_one(await self._queue.get())

    async def write_waiting(self) -> None:
        """Write the Events in the queue."""
        while not self._queue.empty():
            await self._write_one(self._queue.get_nowait())

    async def _write_one(self, refusal: _Refusal) -> None:
        try:
            await self._write(refusal)
        except ApiError as error:
            logger.warning("event not written", extra={"problem": str(error)})

    async def _write(self, refusal: _Refusal) -> None:
        series = refusal.series
        path = f"/api/v1/namespaces/{refusal.namespace}/events"
        if series.count > 1:
            seen = {"count": series.count, "lastTimestamp": timestamp(series.written)}
            # Events expire after an hour; then a new Event is written.
            with contextlib.suppress(NotFoundError):
                patch = {**seen, "message": refusal.message}
                await self._api.merge(f"{path}/{series.name}", patch)
                return
        involved = {
            "apiVersion": f"{self._domain.image_group}/v1",
            "kind": "ImageStream",
            "namespace": refusal.namespace,
            "name": refusal.stream,
            **await self._uid(refusal.namespace, refusal.stream),
        }
        event = new_event(
            involved,
            namespace=refusal.namespace,
            warning=True,
            reason=refusal.reason,
            message=refusal.message,
            instance=self._identity,
        )
        event["metadata"]["name"] = series.name
        event["count"] = series.count
        event["firstTimestamp"] = timestamp(series.first)
        await self._api.create(path, event)

    async def _uid(self, namespace: str, stream: str) -> dict[str, str]:
        """The object reference with its uid: `kubectl describe` selects Events by uid."""
        path = f"/apis/{self._domain.image_group}/v1/namespaces/{namespace}/imagestreams/{stream}"
        try:
            return {"uid": (await self._api.get(path))["metadata"]["uid"]}
        except NotFoundError:
            return {}


def _concerns(outcome: Outcome) -> bool:
    """Whether it was refused, or would be refused if its limits were enforced."""
    return outcome.code == HTTPStatus.FORBIDDEN or outcome.would_be_refused
