"""Bytes of an upload are counted while they pass, and a client that stops sending is cut off."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from app.gateway.uploads import PROGRESS, IdleError, MeteredBody, Room
from app.registry.errors import RegistryError
from tests.unit import virtual_time

IDLE = 60.0


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        pytest.param("aaaaaa", "aaaa", id="one owner takes half of the room"),
        pytest.param("aaaabbb", "aaaabb", id="another gets an equal share"),
        pytest.param("abababab", "abab", id="two owners share one half"),
        pytest.param("aaaabbcc", "aaaabbc", id="a third as well"),
        pytest.param("aaaabbcdef", "aaaabbcd", id="the room is never exceeded"),
    ],
)
def test_owners_share_the_room(asked: str, got: str) -> None:
    room = Room(8 * 2**20)

    assert "".join(taken(room, asked)) == got
    assert "".join(taken(room, asked)) == got


def taken(room: Room, owners: str) -> list[str]:
    """The owners that got one MiB, once for each MiB. In the end they give all of it back."""
    got = []
    with ExitStack() as stack:
        for owner in owners:
            take = stack.enter_context(room.shared(owner))
            try:
                take(2**20)
            except RegistryError:
                continue
            got.append(owner)
    return got


def body(
    *chunks: int, every: float = 0, ends: bool = True, allowance: int | None = None
) -> MeteredBody:
    """A body that comes in chunks of these sizes. Without an end, the client goes away."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": bytes(size), "more_body": True} for size in chunks
    ]
    messages.append({"type": "http.request" if ends else "http.disconnect"})

    async def receive() -> Any:
        await asyncio.sleep(every)
        return messages.pop(0)

    request = Request({"type": "http", "headers": []}, receive)
    return MeteredBody(request, start=10, allowance=allowance, idle_timeout=IDLE)


async def test_bytes_are_counted_from_the_start_of_the_session() -> None:
    subject = body(5, 0, 7)

    assert len(await subject.whole()) == 12
    assert (subject.total, subject.is_too_large) == (22, False)


@pytest.mark.parametrize(
    ("allowance", "passed", "is_too_large"),
    [
        pytest.param(22, 12, False, id="the last byte that fits"),
        pytest.param(21, 5, True, id="one byte more"),
    ],
)
async def test_no_chunk_passes_beyond_the_allowance(
    allowance: int, passed: int, is_too_large: bool
) -> None:
    subject = body(5, 7, 9 * is_too_large, allowance=allowance)

    assert len(await subject.whole()) == passed
    assert subject.is_too_large is is_too_large


def test_a_slow_client_that_makes_progress_may_take_longer_than_the_timeout() -> None:
    subject = body(*[PROGRESS] * 6, every=IDLE / 4)

    assert len(virtual_time.run(subject.whole())) == 6 * PROGRESS


def test_single_bytes_are_no_progress() -> None:
    with pytest.raises(IdleError):
        virtual_time.run(body(*[1] * 20, every=IDLE / 4).whole())


async def test_a_client_that_goes_away_does_not_end_the_body() -> None:
    with pytest.raises(ClientDisconnect):
        await body(5, ends=False).whole()
