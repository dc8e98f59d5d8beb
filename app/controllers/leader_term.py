"""The time in which this replica leads, as one controller spends it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.cluster.informer import Informer
from app.controllers.config import ConfigWatch
from app.controllers.metrics import ControllerMetrics, Progress

_LOOK_AGAIN = 2.0
"""Seconds."""


class LeaderTerm:
    """Watches what a controller needs, and has it work on that."""

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
        """Work once everything is listed, until cancelled."""
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
        """Wait for a state that can be trusted; work waits in the queue meanwhile."""
        while True:
            if not any(one.problem() for one in (self._watch.informer, *self._informers)):
                return
            await asyncio.sleep(_LOOK_AGAIN)
