"""Work on long lists in short steps.

Reviews are decided on the same event loop, between two steps.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TypeVar

_SLICE = 0.002
"""Seconds of work, after which reviews may run."""
_STRIDE = 100
"""The number of items between two looks at the clock."""
_RUN = 2_000
"""The number of items that are sorted at once."""

Item = TypeVar("Item")
Value = TypeVar("Value")
Key = TypeVar("Key", str, float)


class TimeSlices:
    """Lets reviews run after each slice of work."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    async def rest(self) -> None:
        if time.perf_counter() - self._started > _SLICE:
            await asyncio.sleep(0)
            self._started = time.perf_counter()


async def paced(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with rests. `items` must not change meanwhile."""
    slices = TimeSlices()
    for number, item in enumerate(items, start=1):
        yield item
        if number % _STRIDE == 0:
            await slices.rest()


async def total(numbers: Iterable[int]) -> int:
    """The sum of numbers that are computed in steps."""
    return sum([number async for number in paced(numbers)])


async def ordered(
    items: Sequence[Item], key: Callable[[Item], Key], *, reverse: bool = False
) -> list[Item]:
    """The items by their key. Equal ones keep their order, also in reverse.

    Short runs are sorted, and merged two by two: Python's sort takes two runs in order at once.
    """
    keys: list[Key] = [key(item) async for item in paced(items)]
    runs: list[list[int]] = [
        sorted(range(start, min(start + _RUN, len(keys))), key=keys.__getitem__, reverse=reverse)
        async for start in paced(range(0, len(keys), _RUN))
    ]
    slices = TimeSlices()
    while len(runs) > 1:
        merged: list[list[int]] = []
        for left, right in zip(runs[::2], [*runs[1::2], []], strict=False):
            merged.append(sorted(left + right, key=keys.__getitem__, reverse=reverse))
            await slices.rest()
        runs = merged
    return [items[number] for number in runs[0]] if runs else []
