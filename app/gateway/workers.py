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

    `pause`: seconds between two items, on average. Raises the first exception of an action, and
    cancels the other ones.
    """
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await action(item)
            if pause:
                await asyncio.sleep(pause * at_once)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(at_once, len(items))):
                tasks.create_task(work())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
