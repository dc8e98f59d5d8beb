"""Small writes of one turn of the event loop are sent as one, in order."""

import asyncio

import pytest

from app.api.writes import JoinedWrites

LARGE = bytes(16 * 1024)


class Sent:
    """A transport that records the sent bytes."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([b"head"], [b"head"]),
        ([b"head", b"body"], [b"headbody"]),
        ([b"head", LARGE], [b"head", LARGE]),
        ([LARGE, b"end"], [LARGE, b"end"]),
        ([LARGE, LARGE, b"en", b"d"], [LARGE, LARGE, b"end"]),
        ([b"", b""], [b""]),
    ],
    ids=["one", "head and body", "a large body", "a large head", "large parts", "nothing"],
)
async def test_small_writes_of_one_turn_are_sent_together(
    written: list[bytes], sent: list[bytes]
) -> None:
    transport = Sent()
    joined = JoinedWrites(transport, asyncio.get_running_loop())
    for data in written:
        joined.write(data)
    await asyncio.sleep(0)
    assert transport.done == sent


async def test_writes_of_two_turns_are_sent_apart() -> None:
    transport = Sent()
    joined = JoinedWrites(transport, asyncio.get_running_loop())
    for data in (b"first", b"second"):
        joined.write(data)
        await asyncio.sleep(0)
    assert transport.done == [b"first", b"second"]


async def test_a_connection_closes_after_everything_is_sent() -> None:
    transport = Sent()
    joined = JoinedWrites(transport, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"body")
    joined.close()
    await asyncio.sleep(0)
    assert transport.done == [b"headbody", "closed"]
    assert joined.is_closing()
