"""The work queue: one worker for each key, delays, and retries."""

import asyncio
from collections.abc import Callable

from app.controllers.queue import WorkQueue
from app.controllers.rate import PATIENCE, RateLimiter, RepairBackoff


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def worked(queue: WorkQueue[str], work: Callable[[str], float | None], until: int) -> None:
    """Run the queue until this number of keys was worked on."""
    done = asyncio.Event()
    count = 0

    async def counted(key: str) -> float | None:
        nonlocal count
        count += 1
        if count == until:
            done.set()
        return work(key)

    task = asyncio.create_task(queue.run(counted, workers=4))
    async with asyncio.timeout(120):
        await done.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_waiting_key_is_handled_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert queue.depth == 2

    await worked(queue, seen.append, until=2)

    assert seen == ["a", "b"]
    assert queue.depth == 0


async def test_replaced_plans_take_no_memory_and_the_last_one_counts() -> None:
    clock, seen = Clock(), list[str]()
    queue: WorkQueue[str] = WorkQueue(clock)
    for number in range(10_000):
        queue.add_after("a", 20_000.0 - number)
    queue.add_after("b", 10_002.0)

    clock.now += 10_001
    await worked(queue, seen.append, until=1)

    assert seen == ["a"]
    assert len(queue._heap) < 2000


async def test_key_has_one_worker_and_later_changes_are_kept() -> None:
    queue: WorkQueue[str] = WorkQueue()
    running = most = rounds = 0
    done = asyncio.Event()

    async def work(key: str) -> None:
        nonlocal running, most, rounds
        running += 1
        most = max(most, running)
        rounds += 1
        if rounds == 1:
            queue.add(key)
            queue.add(key)
        await asyncio.sleep(0.01)
        running -= 1
        if rounds == 2:
            done.set()

    queue.add("a")
    task = asyncio.create_task(queue.run(work, workers=3))
    async with asyncio.timeout(120):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (most, rounds, queue.depth) == (1, 2, 0)


async def test_failed_key_is_retried_and_others_go_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    def work(key: str) -> None:
        seen.append(key)
        if key == "bad" and seen.count("bad") == 1:
            raise ValueError("not yet")

    queue.add("bad")
    queue.add("good")

    await worked(queue, work, until=3)

    assert seen == ["bad", "good", "bad"]


async def test_delayed_key_runs_when_due_or_changed() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("later", 60)
    queue.add_after("changed", 60)
    queue.add("changed")
    assert queue.depth == 1, "what is due later is no backlog"

    seen: list[str] = []
    await worked(queue, seen.append, until=1)
    assert seen == ["changed"]

    clock.now += 61
    await worked(queue, seen.append, until=1)
    assert seen == ["changed", "later"], "and what was planned before the change is not done twice"


def test_rate_limit_applies_after_the_burst() -> None:
    clock = Clock()
    pace = RateLimiter(per_second=8, burst=5, clock=clock)

    waits = [pace.reserve() for _ in range(8)]

    assert waits == [0.0] * 5 + [0.125, 0.25, 0.375]
    clock.now += 100
    assert pace.reserve() == 0.0


def test_idle_time_earns_one_burst_at_most() -> None:
    clock = Clock()
    pace = RateLimiter(per_second=8, burst=5, clock=clock)
    pace.reserve()
    clock.now += 3600

    assert sum(pace.reserve() == 0.0 for _ in range(100)) == 5


def test_repeated_repairs_get_rarer() -> None:
    clock = Clock()
    repairs = RepairBackoff(clock)
    waits = []
    for _ in range(14):
        waits.append(repairs.wait("a"))
        clock.now += waits[-1]
        repairs.note("a")

    assert waits[:PATIENCE] == [0.0] * PATIENCE
    assert waits[PATIENCE:] == [4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    assert repairs.wait("b") == 0.0

    clock.now += 1300
    assert repairs.note("a") == 1, "after long quiet all is forgotten"
