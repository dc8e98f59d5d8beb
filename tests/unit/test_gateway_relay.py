"""Answers of the registry are sent to the client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from app.gateway.relay import Inbox, SlowClientError, refuse, relay
from app.gateway.transport import UpstreamError
from app.gateway.uploads import Room
from app.gateway.upstream import Answer
from app.registry.errors import RegistryError


class Response:
    """An answer of the registry in chunks."""

    def __init__(self, *chunks: bytes, headers: Any = ()) -> None:
        self.status = 200
        self.headers = list(headers)
        self.closed = False
        self._chunks = chunks

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk

    async def close(self) -> None:
        self.closed = True


class Client:
    """One request of a client, and the messages that it receives."""

    def __init__(self, *messages: Message) -> None:
        self.got: list[Message] = []
        self._messages = list(messages)
        self._never = asyncio.Event()

    async def receive(self) -> Message:
        if not self._messages:
            await self._never.wait()
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        self.got.append(message)
        await asyncio.sleep(0)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)


END: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}
OLD, NEW = {"http_version": "1.0"}, {"http_version": "1.1"}


def any_size(_size: int) -> None:
    """There is room for any number of bytes."""


@pytest.mark.parametrize(
    ("version", "headers", "expected"),
    [
        pytest.param("1.1", [], {}, id="HTTP/1.1"),
        pytest.param("1.0", [], {b"content-length": b"4"}, id="HTTP/1.0"),
        pytest.param(
            "1.0",
            [(b"content-length", b"4")],
            {b"content-length": b"4"},
            id="HTTP/1.0 with a known length",
        ),
    ],
)
async def test_http_1_0_client_gets_no_chunked_answer(
    version: str, headers: Any, expected: dict[bytes, bytes]
) -> None:
    client, response = Client(END), Response(b"ab", b"cd", headers=headers)
    answer = Answer(200, response.headers, response)

    await relay(answer, {"http_version": version}, Inbox(client.receive), client.send, 5, any_size)

    assert dict(client.got[0]["headers"]) == expected
    assert client.body == b"abcd"
    assert response.closed


async def test_http_1_0_answer_of_unknown_length_is_bounded() -> None:
    client, response = Client(END), Response(*[bytes(2**20)] * 9)

    with pytest.raises(UpstreamError, match="unknown length"):
        await relay(
            Answer(200, [], response),
            OLD,
            Inbox(client.receive),
            client.send,
            5,
            any_size,
        )

    assert response.closed


async def test_http_1_0_answers_share_a_bound() -> None:
    room = Room(6 * 2**20)
    client, response = Client(END), Response(*[bytes(2**20)] * 2)
    other = Client(END)

    with room.shared("a") as take, room.shared("a") as taken_by_another:
        taken_by_another(2**21)
        with pytest.raises(RegistryError, match="in memory at once"):
            await relay(Answer(200, [], response), OLD, Inbox(client.receive), client.send, 5, take)
    with room.shared("a") as take:
        again = Response(*[bytes(2**20)] * 2)
        await relay(Answer(200, [], again), OLD, Inbox(other.receive), other.send, 5, take)

    assert client.got == []
    assert response.closed
    assert len(other.body) == 2**21


async def test_answer_ends_when_the_client_disconnects() -> None:
    client, response = Client(END, GONE), Response(*[bytes(2**20)] * 100)

    await relay(Answer(200, [], response), NEW, Inbox(client.receive), client.send, 5, any_size)

    assert len(client.body) < 10 * 2**20
    assert response.closed


async def test_refusal_reads_what_the_client_still_sends() -> None:
    more: Message = {"type": "http.request", "body": b"x", "more_body": True}
    client = Client(more, more, END)
    inbox = Inbox(client.receive)

    await refuse(RegistryError("DENIED", "no"), inbox, client.send, 5)

    assert inbox.ended
    assert client.got[0]["status"] == 403
    assert client.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_refusal_of_a_request_that_was_read_waits_for_nothing() -> None:
    client = Client(END)
    inbox = Inbox(client.receive)
    await inbox()

    async with asyncio.timeout(1):
        await refuse(RegistryError("DENIED", "no"), inbox, client.send, 5)


async def test_client_that_reads_nothing_is_given_up() -> None:
    async def stuck(_message: Message) -> None:
        await asyncio.sleep(5)

    inbox, response = Inbox(Client(END).receive), Response(b"ab")
    with pytest.raises(SlowClientError):
        await relay(Answer(200, [], response), NEW, inbox, stuck, 0.01, any_size)
    with pytest.raises(SlowClientError):
        await refuse(RegistryError("DENIED", "no"), inbox, stuck, 0.01)

    assert response.closed


async def test_slow_registry_is_not_taken_for_a_slow_client() -> None:
    class Slow(Response):
        async def chunks(self) -> AsyncIterator[bytes]:
            for chunk in (b"ab", b"cd"):
                await asyncio.sleep(0.2)
                yield chunk

    client = Client(END)
    answer = Answer(200, [], Slow())

    await relay(answer, NEW, Inbox(client.receive), client.send, 0.1, any_size)

    assert client.body == b"abcd"
