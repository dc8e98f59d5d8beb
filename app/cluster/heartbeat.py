"""How old is what we see? A heartbeat in the same watch answers exactly.

The replicas share one ImageStream in their own namespace and write the time into it. When a
replica sees a heartbeat in its watch, it has also seen every ImageStream that was stored before
it. That measures the whole way, through the API server's watch cache to this process, where
a watch that is merely open proves nothing. A replica writes only when nobody else has of late.
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
"""Seconds between heartbeats, whoever writes them."""
_TICK = 0.25
_PATIENCE = 3.0
"""Seconds that one write may take."""
_ANYTHING = "/version"
"""What is asked for the sake of the answer's `Date`."""


def _nothing() -> None:
    """Does nothing."""


class Heartbeat:
    """Writes heartbeats when they are due, and reads them off the watch."""

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
        """`late` is called when a heartbeat that was written is not seen for `late_after` seconds,
        and again after as many: the watch may be dead."""
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
        """The latest heartbeat seen in the watch, in seconds since the epoch."""
        self.unanswered = False
        """Whether the Image API did not answer the last write."""

    def is_heartbeat(self, namespace: str, name: str) -> bool:
        return namespace == self._namespace and name == NAME

    def see(self, content: Content) -> None:
        """A heartbeat has come in.

        One from the future, written by somebody else, is none: it would make every view look
        fresh, and every reservation expired.
        """
        annotations = content["metadata"].get("annotations") or {}
        try:
            written_at = float(annotations.get(self._annotation, 0))
        except ValueError:
            return
        if written_at <= self._clock() + 2 * self._max_error:
            self.seen_at = max(self.seen_at, written_at)
            if self._unseen_since is not None and self.seen_at >= self._unseen_since:
                self._unseen_since = None

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(_TICK)

    async def beat(self) -> None:
        """Write if the last heartbeat seen is too old.

        A replica whose clock is wrong, or not compared yet, writes none: it would make the others
        misjudge their age. It asks for something else instead, or it would never learn that its
        clock is right again.
        """
        now = self._clock()
        if self._api.clock.error > self._max_error:
            # In both directions: the clock may have been set back.
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
        """The error of a request that another beat will repeat; a conflict is none."""
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
