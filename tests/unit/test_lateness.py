"""A replica that gets too little CPU is not ready."""

import asyncio
import contextlib

import httpx
import pytest
from fastapi import FastAPI

from app.api.server import Server, listen
from app.wiring.lateness import CALM, LIMIT, TICK, Lateness


class Clock:
    """A clock: time passes while the process sleeps, and also while it gets no CPU."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.lates: list[float] = []
        self.seen: list[list[str]] = []

    def __call__(self) -> float:
        return self.now


async def watched(monkeypatch: pytest.MonkeyPatch, lates: list[float]) -> list[list[str]]:
    """The problems after each of several ticks, with the lateness of each tick."""
    clock, seen = Clock(), list[list[str]]()
    watching = Lateness(clock)

    async def sleep(seconds: float) -> None:
        seen.append(watching.problems())
        if len(seen) > len(lates):
            raise asyncio.CancelledError
        clock.now += seconds + lates[len(seen) - 1]

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with contextlib.suppress(asyncio.CancelledError):
        await watching.run()
    return seen[1:]


LATE = f"gets too little CPU: ran 1.5 s late (limit: {LIMIT:g} s)"


@pytest.mark.parametrize(
    ("lates", "expected"),
    [
        ([0.0, 0.9 * LIMIT, 0.0], [[], [], []]),
        ([1.5], [[LATE]]),
        ([1.5, *[0.0] * CALM], [*[[LATE]] * CALM, []]),
        ([1.5, *[0.0] * (CALM - 1), 1.5, 0.0], [[LATE]] * (CALM + 2)),
    ],
)
async def test_a_late_process_is_not_ready_until_it_was_on_time_for_a_while(
    monkeypatch: pytest.MonkeyPatch, lates: list[float], expected: list[list[str]]
) -> None:
    assert await watched(monkeypatch, lates) == expected
    assert TICK * CALM == 2.0


async def test_a_late_server_has_clients_close_their_connections() -> None:
    """API servers would keep using their connections, although the replica is no endpoint."""
    lates = iter((False, True, False))
    server = Server(
        FastAPI(), None, shutdown_delay=0, shutdown_timeout=1, is_late=lambda: next(lates)
    )
    bound = listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/docs"
    async with httpx.AsyncClient() as client:
        found = [(await client.get(url)).headers.get("connection") for _ in range(3)]
    server.should_exit = True
    await serving

    assert found == [None, "close", None]
