"""Places and turns are shared fairly among owners that ask at the same time."""

import asyncio
from contextlib import ExitStack

import pytest

from app.api.fairness import OverloadedError, Shares, Turns
from tests.unit import virtual_time


def taken(shares: Shares, stack: ExitStack, *owners: str) -> list[str]:
    """The owners that got a place, one entry for each place."""
    got = []
    for owner in owners:
        try:
            stack.enter_context(shares.place(owner))
        except OverloadedError:
            continue
        got.append(owner)
    return got


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        pytest.param("aaaaaa", "aaaa", id="one owner takes all places"),
        pytest.param("aaaabbb", "aaaabb", id="another gets an equal share"),
        pytest.param("aaaabbcc", "aaaabbcc", id="a third as well"),
        pytest.param("aaaabbcccd", "aaaabbcc", id="twice the places are the most"),
        pytest.param("abcde", "abcde", id="each of many owners gets one"),
    ],
)
def test_owners_share_places(asked: str, got: str) -> None:
    with ExitStack() as stack:
        assert "".join(taken(Shares(4), stack, *asked)) == got


def test_places_are_given_back() -> None:
    shares = Shares(1)
    for _ in range(3):
        with shares.place("a"):
            pass


class Work:
    """Pieces of work by owner, which end when the test says so."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.begun: list[str] = []
        self.refused: list[str] = []
        self.end = asyncio.Event()

    async def do(self, owner: str, patience: float = 20) -> None:
        try:
            async with self.turns.turn(owner, patience):
                self.begun.append(owner)
                await self.end.wait()
        except OverloadedError:
            self.refused.append(owner)


async def started(work: Work, owners: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(work.do(owner)) for owner in owners]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_one_piece_is_done_at_a_time_and_owners_alternate() -> None:
    work = Work()
    tasks = await started(work, "aaab")
    assert work.begun == ["a"]
    work.end.set()
    await asyncio.gather(*tasks)

    assert work.begun == ["a", "a", "b", "a"]


async def test_owner_with_the_most_callers_is_refused_first() -> None:
    work = Work()
    tasks = await started(work, "a" * 17 + "b" + "a")
    assert work.refused == ["a", "a"]
    work.end.set()
    await asyncio.gather(*tasks)

    assert work.begun.count("b") == 1


async def test_turn_of_a_cancelled_caller_goes_to_the_next() -> None:
    work = Work()
    first, second, third = await started(work, "abc")
    second.cancel()
    await asyncio.wait([second])
    work.end.set()
    await asyncio.gather(first, third)

    assert work.begun == ["a", "c"]


@pytest.mark.parametrize(
    "patience",
    [
        pytest.param(0.1, id="its time ends before its turn comes"),
        pytest.param(0.5, id="its turn comes before its time ends"),
    ],
)
def test_caller_at_its_timeout_is_refused_and_the_next_gets_the_turn(patience: float) -> None:
    """The machine stops, so both timers fire in one step of the loop."""
    work = Work()

    async def calls() -> None:
        [first] = await started(work, "a")
        await asyncio.sleep(0.1)  # the pause after it takes 0.3 s
        second = asyncio.create_task(work.do("b", patience))
        await asyncio.sleep(0)
        work.end.set()
        for _ in range(3):
            await asyncio.sleep(0)
        virtual_time.stop(0.6)
        await asyncio.gather(first, second)
        await work.do("c")

    virtual_time.run(calls())
    assert (work.begun, work.refused) == (["a", "c"], ["b"])


async def test_caller_is_refused_after_its_patience() -> None:
    work = Work()
    [first] = await started(work, "a")
    await work.do("b", patience=0.01)
    work.end.set()
    await first

    assert work.refused == ["b"]
