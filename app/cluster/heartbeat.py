"""Measures the age of our view with a heartbeat in the same watch.

The replicas share one ImageStream in their own namespace and write the time into it. A replica that
sees a heartbeat in its watch has also seen every ImageStream that was stored before. That covers
the whole way, through the API server's watch cache to this process; an open watch alone proves
nothing. A replica writes only if nobody else has written recently.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable

from app.cluster.api import (
    ApiError,
    ConflictError,
    Content,
    KubeApi,
    NotFoundError,
    is_unanswered,
)

logger = logging.getLogger("registry_admission.heartbeat")

NAME = "registry-admission-heartbeat"
_INTERVAL = 1.0
"""Seconds between heartbeats, whichever replica writes them."""
_TICK = 0.25
_PATIENCE = 3.0
"""Seconds until a write is given up."""
_ANYTHING = "/version"
"""Any path will do: only the `Date` of the response is needed."""


def _nothing() -> None:
    """Does nothing: the default of `late`."""


class Heartbeat:
    """Writes heartbeats when they are due, and reads them from the watch."""

    def __init__(
        self,
        api: KubeApi,
        *,
        group: str,
        namespace: str,
        max_error: float,
        clock: Callable[[], float] = time.time,
        late: Callable[[], None] = _nothing,
        late_after: float = math.inf,
    ) -> None:
        """`late` is called when a heartbeat that was written has not been seen for `late_after`
        seconds, and again after each further `late_after` seconds: the watch may be dead."""
        self._api = api
        self._namespace = namespace
        self._max_error = max_error
        self._api_version = f"{group}/v1"
        self._path = f"/apis/{group}/v1/namespaces/{namespace}/imagestreams"
        self._annotation = f"{NAME}.{group}/time"
        self._clock = clock
        self._late = late
        self._late_after = late_after
        self._unseen_since: float | None = None
        self._asked_at = -math.inf
        self.seen_at = 0.0
        """The latest heartbeat that was seen in the watch, in seconds since the epoch."""
        self.unanswered = False
        """Whether the Image API did not respond to the last write."""

    def is_heartbeat(self, namespace: str, name: str) -> bool:
        return namespace == self._namespace and name == NAME

    def see(self, content: Content) -> None:
        """Take in a heartbeat from the watch.

        A heartbeat from the future is ignored: every view would look fresh, and every reservation
        would look expired. The wrong clock may be our own, if the machine was suspended.
        """
        annotations = content["metadata"].get("annotations") or {}
        try:
            written_at = float(annotations.get(self._annotation, 0))
        except ValueError:
            return
        if written_at > self._clock() + 2 * self._max_error:
            self._api.clock.doubt()
            self._asked_at = -math.inf
        else:
            self.seen_at = max(self.seen_at, written_at)
            if self._unseen_since is not None and self.seen_at >= self._unseen_since:
                self._unseen_since = None

    async def run(self) -> None:
        """Call `beat` until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(_TICK)

    async def beat(self) -> None:
        """Write a heartbeat if the last one that was seen is too old.

        A replica whose clock is wrong, or not compared yet, writes no heartbeat: other replicas
        would misjudge the age of their view. It sends another request instead, to learn when its
        clock is right again.
        """
        now = self._clock()
        if self._api.clock.error > self._max_error:
            # `abs`: the clock may have been set back.
            if abs(now - self._asked_at) >= _INTERVAL:
                self._asked_at = now
                await self._tolerate(self._api.get(_ANYTHING))
            return
        if self._unseen_since is not None and now - self._unseen_since > self._late_after:
            self._unseen_since = now
            self._late()
        if now - self.seen_at >= _INTERVAL:
            error = await self._tolerate(self._write())
            self.unanswered = error is not None and is_unanswered(error)
            if error is None and self._unseen_since is None and self.seen_at < now:
                self._unseen_since = now

    async def _tolerate(self, request: Awaitable[object]) -> Exception | None:
        """Send a request. If it fails, the next beat repeats it. Returns the error; a conflict is
        not an error."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await request
        except ConflictError:
            return None
        except (ApiError, TimeoutError) as error:
            problem = str(error) or "no answer"
            logger.warning("no heartbeat", extra={"problem": problem})
            return error
        return None

    async def _write(self) -> None:
        metadata = {"annotations": {self._annotation: repr(self._clock())}}
        try:
            await self._api.merge(f"{self._path}/{NAME}", {"metadata": metadata})
        except NotFoundError:
            content = {
                "apiVersion": self._api_version,
                "kind": "ImageStream",
                "metadata": {"name": NAME, **metadata},
            }
            await self._api.create(self._path, content)
