"""Events on ImageStreams whose pushes are refused, so that `kubectl describe` tells why."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.admission.review import AdmissionRequest, Outcome
from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.event import new_event, timestamp
from app.model.domain import ApiDomain

logger = logging.getLogger("registry_admission.events")

_QUIET = 60.0
"""Seconds in which equal refusals are counted in one Event instead of written again."""
_QUEUE = 100
_REMEMBERED = 5000
_MAX_MESSAGE = 1024


@dataclass
class _Series:
    name: str
    first: float
    written: float
    count: int = 1


class RefusalEvents:
    """Aggregates refusals per stream and reason; a flood of them costs one write a minute each,
    and what does not fit into the queue is dropped."""

    def __init__(
        self, api: KubeApi, domain: ApiDomain, identity: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._domain = domain
        self._identity = identity
        self._clock = clock
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()
        self._queue: asyncio.Queue[tuple[AdmissionRequest, Outcome, _Series]] = asyncio.Queue(
            _QUEUE
        )

    def refused(self, request: AdmissionRequest, outcome: Outcome) -> None:
        """Note a refusal; never waits, never fails."""
        if outcome.code != 403 or request.dry_run or request.kind.group != self._domain.image_group:
            return
        stream = request.name.partition(":")[0]
        if not stream or not request.namespace:
            return
        now = self._clock()
        key = (request.namespace, stream, ",".join(outcome.causes))
        series = self._series.get(key)
        if series is None:
            series = _Series(f"{stream[:200]}.{time.time_ns():x}", now, now)
            self._series[key] = series
            if len(self._series) > _REMEMBERED:
                self._series.popitem(last=False)
        else:
            series.count += 1
            if now - series.written < _QUIET:
                return
            series.written = now
        if not self._queue.full():
            self._queue.put_nowait((request, outcome, series))

    async def run(self) -> None:
        """Write Events until cancelled."""
        while True:
            await self._write_one(await self._queue.get())

    async def write_waiting(self) -> None:
        """Write what waits to be written now."""
        while not self._queue.empty():
            await self._write_one(self._queue.get_nowait())

    async def _write_one(self, waiting: tuple[AdmissionRequest, Outcome, _Series]) -> None:
        try:
            await self._write(*waiting)
        except ApiError as error:
            logger.warning("event not written", extra={"problem": str(error)})

    async def _write(self, request: AdmissionRequest, outcome: Outcome, series: _Series) -> None:
        path = f"/api/v1/namespaces/{request.namespace}/events"
        if series.count > 1:
            seen = {"count": series.count, "lastTimestamp": timestamp(series.written)}
            # The API server forgets Events after an hour; then it is written anew.
            with contextlib.suppress(NotFoundError):
                message = _message(outcome)
                await self._api.merge(f"{path}/{series.name}", {**seen, "message": message})
                return
        stream = request.name.partition(":")[0]
        involved = {
            "apiVersion": f"{self._domain.image_group}/v1",
            "kind": "ImageStream",
            "namespace": request.namespace,
            "name": stream,
            **await self._uid(request.namespace, stream),
        }
        event = new_event(
            involved,
            namespace=request.namespace,
            warning=True,
            reason=outcome.causes[0],
            message=_message(outcome),
            instance=self._identity,
        )
        event["metadata"]["name"] = series.name
        event["count"] = series.count
        event["firstTimestamp"] = timestamp(series.first)
        await self._api.create(path, event)

    async def _uid(self, namespace: str, stream: str) -> dict[str, str]:
        """`kubectl describe` shows only what happened to the very object it describes."""
        path = f"/apis/{self._domain.image_group}/v1/namespaces/{namespace}/imagestreams/{stream}"
        try:
            return {"uid": (await self._api.get(path))["metadata"]["uid"]}
        except NotFoundError:
            return {}


def _message(outcome: Outcome) -> str:
    text = outcome.message
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
