"""Runs one controller while this replica leads."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.cluster.informer import Informer
from app.controllers.config import ConfigWatch
from app.controllers.metrics import ControllerMetrics, Progress

_LOOK_AGAIN = 2.0
"""Seconds between two looks at the informers."""


class LeaderTerm:
    """Watches what a controller needs, and runs its work."""

    def __init__(
        self, watch: ConfigWatch, informers: Sequence[Informer], metrics: ControllerMetrics
    ) -> None:
        self._watch = watch
        self._informers = informers
        self._metrics = metrics

    async def run(
        self,
        work: Callable[[], Awaitable[None]],
        *,
        config_changed: Callable[[], None],
        progress: Callable[[], Progress],
    ) -> None:
        """Run `work` once everything is listed, until cancelled."""
        self._metrics.progress = progress
        try:
            with self._watch.listening(config_changed):
                async with asyncio.TaskGroup() as tasks:
                    for informer in self._informers:
                        tasks.create_task(informer.run())
                    for informer in (self._watch.informer, *self._informers):
                        await informer.synced.wait()
                    await work()
        finally:
            self._metrics.state = "waiting"
            self._metrics.progress = Progress

    async def trusted(self) -> None:
        """Wait until all informers can be trusted. Meanwhile work waits in the queue."""
        while True:
            if not any(one.problem() for one in (self._watch.informer, *self._informers)):
                return
            await asyncio.sleep(_LOOK_AGAIN)
