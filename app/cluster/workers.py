"""Runs an action for many items, for a few of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

Item = TypeVar("Item")


async def each(
    items: Collection[Item],
    action: Callable[[Item], Awaitable[None]],
    *,
    at_once: int,
    pause: float = 0.0,
) -> None:
    """Run the action for every item. There may be a million, so there is not a task for each.

    `pause`: seconds between two items, on average. Raises the first exception of an action, also
    CancelledError, and then no action goes on.
    """
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await action(item)
            if pause:
                await asyncio.sleep(pause * at_once)

    try:
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(work()) for _ in range(min(at_once, len(items)))]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    if any(worker.cancelled() for worker in workers):
        # A TaskGroup takes this for an end like any other, but items have been left out.
        raise asyncio.CancelledError
