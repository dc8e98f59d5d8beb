"""Jobs that run in the background for as long as the process serves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

Job = Callable[[], Coroutine[Any, Any, None]]


async def all_of(work: Sequence[Job]) -> None:
    """Run several jobs concurrently until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for job in work:
            tasks.create_task(job())


@asynccontextmanager
async def running(jobs: Sequence[Job], on_failure: Callable[[], None]) -> AsyncIterator[None]:
    """Run `jobs` in the background while the body runs. If a job raises, call `on_failure`."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            on_failure()

    tasks = [asyncio.create_task(job()) for job in jobs]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
