"""An address whose large bodies take all memory has to wait."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from app.api.body import AT_ONCE, STEP, BodyReader

LARGE, SMALL = STEP, 1000


def post(address: str, size: int, rest: asyncio.Event | None = None) -> Request:
    """A request with a body of this size. If `rest` is given, the end comes after that event."""
    messages = [{"type": "http.request", "body": b"x" * size, "more_body": rest is not None}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        if rest is not None:
            await rest.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request({"type": "http", "headers": [], "client": (address, 1)}, receive)


@pytest.mark.parametrize(
    ("address", "size", "is_late"),
    [
        pytest.param("a", LARGE, True, id="a large body"),
        pytest.param("a", SMALL, False, id="a small body"),
        pytest.param("b", LARGE, False, id="a large body of another address"),
    ],
)
async def test_large_bodies_of_an_address_wait_after_one_gave_way(
    address: str, size: int, is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.body.PAUSE", 3600.0)
    reader, rest = BodyReader(LARGE), asyncio.Event()
    held = [asyncio.create_task(reader.read(post("a", LARGE, rest))) for _ in range(AT_ONCE + 1)]
    _, waiting = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
    ended = waiting.pop()  # There is room for one more body.
    ended.cancel()
    await asyncio.wait([ended])

    reading = asyncio.create_task(reader.read(post(address, size)))
    for _ in range(10):
        await asyncio.sleep(0)
    is_read = reading.done()
    for task in (reading, *held):
        task.cancel()
    await asyncio.gather(reading, *held, return_exceptions=True)

    assert is_read is not is_late
