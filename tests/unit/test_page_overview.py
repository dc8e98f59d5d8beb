"""Rows are made at most every few seconds, once for all callers, and in small steps."""

import asyncio
from collections.abc import Iterable

from app.model.limits import NamespaceLimits
from app.page.overview_cache import FRESH
from tests.unit.overviews import overview
from tests.unit.stores import FakeState, limit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Cluster:
    """A cache of two namespaces that counts how often its rows are made."""

    def __init__(self) -> None:
        self.state = FakeState(NamespaceLimits(stream_tags=limit("10")))
        self.clock = Clock()
        self.fillings = 0
        self.board = overview(self.state, self._namespaces, self.clock)
        self.state.store("team-b", "web", {"v1": ()})
        self.state.store("team-a", "app", {"v1": (), "v2": ()})

    def _namespaces(self) -> Iterable[str]:
        self.fillings += 1
        return ["team-b", "team-a"]


async def test_rows_are_in_alphabetical_order() -> None:
    cluster = Cluster()

    rows = await cluster.board.namespaces()
    assert [(row.name, row.peak) for row in rows] == [("team-a", 0.2), ("team-b", 0.1)]
    [stream] = await cluster.board.streams("team-a")
    assert (stream.name, stream.tag_count) == ("app", 2)


async def test_rows_are_cached_until_they_are_old() -> None:
    cluster = Cluster()
    await cluster.board.namespaces()
    cluster.state.store("team-a", "app", {})

    cluster.clock.now += FRESH - 0.1
    assert (await cluster.board.namespaces())[0].peak == 0.2
    cluster.clock.now += 0.1
    assert (await cluster.board.namespaces())[0].peak == 0.0
    assert cluster.fillings == 2


async def test_concurrent_readers_share_one_reading_and_cannot_cancel_it() -> None:
    cluster = Cluster()
    waiting = [asyncio.create_task(cluster.board.namespaces()) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()

    rows = [await task for task in waiting[1:]]
    assert all(len(found) == 2 for found in rows)
    assert cluster.fillings == 1


async def test_making_rows_yields_to_other_tasks() -> None:
    cluster = Cluster()
    for number in range(40_000):
        cluster.state.store("team-a", f"stream-{number}", {"v1": ()})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await cluster.board.streams("team-a")
    task.cancel()
    assert turns > 3
