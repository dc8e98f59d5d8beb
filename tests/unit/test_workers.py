"""An action runs for every item, or its caller learns that it did not."""

import asyncio
from collections.abc import Sequence

import pytest

from app.cluster.workers import each


@pytest.mark.parametrize("items", [range(0), range(1), range(3), range(100)])
async def test_every_item_gets_its_action_and_few_run_at_once(items: Sequence[int]) -> None:
    done, running, most = list[int](), 0, 0

    async def action(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    await each(items, action, at_once=3)

    assert sorted(done) == list(items)
    assert most == min(3, len(items))


@pytest.mark.parametrize("error", [ValueError("a bug"), asyncio.CancelledError()])
async def test_failure_is_raised_when_no_action_goes_on(error: BaseException) -> None:
    done = list[int]()

    async def action(item: int) -> None:
        if item == 1:
            raise error
        await asyncio.sleep(0)
        done.append(item)

    with pytest.raises(type(error)):
        await each(range(100), action, at_once=3)

    before = list(done)
    await asyncio.sleep(0.01)
    assert done == before
    assert 1 not in done


async def test_cancelled_caller_ends_its_actions() -> None:
    here, ended = asyncio.Event(), 0

    async def action(_item: int) -> None:
        nonlocal ended
        here.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1

    running = asyncio.create_task(each(range(5), action, at_once=2))
    await here.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == 2
