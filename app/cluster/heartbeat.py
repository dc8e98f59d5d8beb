"""How old is what we see? A heartbeat in the same watch answers exactly.

The replicas share one ImageStream in their own namespace and write the time into it. When a
replica sees a heartbeat in its watch, it has also seen every ImageStream that was stored before
it. That measures the whole way, through the API server's watch cache to this process, where
a watch that is merely open proves nothing. A replica writes only when nobody else has of late.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError

logger = logging.getLogger("registry_admission.heartbeat")

NAME = "registry-admission-heartbeat"
_INTERVAL = 1.0
"""Seconds between heartbeats, whoever writes them."""
_TICK = 0.25


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
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._max_error = max_error
        self._api_version = f"{group}/v1"
        self._path = f"/apis/{group}/v1/namespaces/{namespace}/imagestreams"
        self._annotation = f"{NAME}.{group}/time"
        self._clock = clock
        self.seen_at = 0.0
        """The latest heartbeat seen in the watch, in seconds since the epoch."""

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

    async def run(self) -> None:
        """Write whenever the last heartbeat seen is too old, until cancelled.

        A replica whose clock is wrong, or not compared yet, writes none: it would make the others
        misjudge their age.
        """
        while True:
            right = self._api.clock.error <= self._max_error
            if right and self._clock() - self.seen_at >= _INTERVAL:
                try:
                    await self._write()
                except ConflictError:
                    pass
                except ApiError as error:
                    logger.warning("heartbeat not written", extra={"problem": str(error)})
            await asyncio.sleep(_TICK)

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
