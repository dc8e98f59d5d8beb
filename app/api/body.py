"""Reading JSON bodies within bounds of size, time and memory."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from app.api.errors import BadRequestError

TIMEOUT = 10.0
"""Seconds to receive a body. An API server sends it in one piece."""
AT_ONCE = 8
"""The number of bodies of the largest size that are held in memory. Most bodies are a thousand
times smaller."""
STEP = 64 * 1024
"""Bytes. Of a larger body, this number of further bytes, or its end, must arrive in each PACE."""
PACE = 3.0
"""Seconds."""
MAX_ENTRIES = 32_000
"""Objects and lists of one body. etcd takes objects of 1.5 MiB by default: such an ImageStream with
thousands of tags has about 30,000, together with its old version."""
MAX_VALUES = 200_000
"""Values of one body: objects, lists and what is in them. A check notes a fault for each value that
is wrong, and a million of them take 0.5 GB."""
PAUSE = 3.0
"""Seconds in which no further large body of an address is read after one of them was refused."""
_LENGTH_DIGITS = 19


class _Body:
    """A body that is being received."""

    def __init__(self, address: str, deadline: asyncio.Timeout) -> None:
        self.address = address
        self.content = bytearray()
        self.gave_way = False
        """Whether the body was refused because its address holds the most bytes."""
        self._deadline = deadline
        self._end = deadline.when() or 0.0
        self._next_step = STEP

    def add(self, chunk: bytes) -> None:
        self.content += chunk
        if len(self.content) >= self._next_step:
            self._next_step = len(self.content) + STEP
            self.expect_within(PACE)

    def expect_within(self, seconds: float) -> None:
        """Refuse the body unless its next step or its end comes within this time."""
        self._reschedule(min(self._end, _now() + seconds))

    @property
    def is_slow(self) -> bool:
        return (self._deadline.when() or 0.0) < self._end

    def give_way(self) -> None:
        self.gave_way = True
        self._reschedule(_now())

    def _reschedule(self, when: float) -> None:
        if not self._deadline.expired():
            self._deadline.reschedule(when)


class BodyReader:
    """Reads the bodies of one endpoint's requests. All bodies together have a bound of memory.

    At the bound, the reader refuses the largest body of the address that holds the most bytes. So
    there is always room for small bodies.
    """

    def __init__(self, max_bytes: int, timeout: float = TIMEOUT) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._bodies: set[_Body] = set()
        self._resume_at: dict[str, float] = {}
        """By address: the end of its pause."""
        self._held = 0

    async def json(self, request: Request) -> Mapping[str, Any]:
        """The decoded object. Raises BadRequestError: 400, 408, 413, 415 or 429."""
        require_json(request)
        return decoded(await self.read(request))

    async def read(self, request: Request) -> bytes:
        """The whole body. Raises BadRequestError: 400, 408, 413 or 429."""
        client = request.client
        address = client.host if client else ""
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                body = _Body(address, deadline)
                self._bodies.add(body)
                await self._read(request, body)
            if body.gave_way:
                raise _too_many()
            return bytes(body.content)
        except TimeoutError:
            if body.gave_way or self._resume_at.get(address, 0.0) > _now():
                raise _too_many() from None
            late = f"the body did not come in {self._timeout:g} s"
            slow = f"less than {STEP} bytes of the body came in {PACE:g} s"
            raise _unread(408, slow if body.is_slow else late) from None
        finally:
            self._bodies.discard(body)
            self._release(body)

    async def _read(self, request: Request, body: _Body) -> None:
        length = declared_length(request.headers.get("content-length", ""))
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        more = True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise BadRequestError("the body ended early")
            chunk, more = message.get("body", b""), message.get("more_body", False)
            was_small = len(body.content) < STEP
            self._held += len(chunk)
            body.add(chunk)
            if len(body.content) > self._max_bytes:
                raise self._too_large()
            self._make_room()
            if was_small and len(body.content) >= STEP:
                await self._pause(body)

    def _too_large(self) -> BadRequestError:
        return _unread(413, f"the body is larger than {self._max_bytes} bytes")

    def _make_room(self) -> None:
        if self._held <= AT_ONCE * self._max_bytes:
            return
        held: Counter[str] = Counter()
        for body in self._bodies:
            held[body.address] += len(body.content)
        [(most, _)] = held.most_common(1)
        theirs = (body for body in self._bodies if body.address == most)
        victim = max(theirs, key=lambda body: len(body.content))
        self._release(victim)
        victim.give_way()
        now = _now()
        paused = {name: when for name, when in self._resume_at.items() if when > now}
        self._resume_at = {**paused, most: now + PAUSE}

    async def _pause(self, body: _Body) -> None:
        """Wait if another body of the same address was refused recently for lack of memory.

        Otherwise a client could send one large body after another, and receiving them costs CPU
        time even if all are refused.
        """
        if (wait := self._resume_at.get(body.address, 0.0) - _now()) > 0:
            body.expect_within(wait + PACE)
            await asyncio.sleep(wait)

    def _release(self, body: _Body) -> None:
        self._held -= len(body.content)
        # A refusal's traceback refers to the body until the garbage collector runs.
        body.content.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()


def require_json(request: Request) -> None:
    """Raises BadRequestError (415) for a body of another type, or one that is compressed."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise BadRequestError(f"the body must be application/json, not {media_type!r}", 415)
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        message = f"the body must be sent as it is, not encoded as {encoding!r}"
        raise BadRequestError(message, 415)


def entries(body: bytes) -> int:
    """The number of objects and lists in a JSON text, with such characters in its strings.

    The time for a decision grows with it. Counting takes a thousandth of that time.
    """
    return body.count(b"{") + body.count(b"[")


def decoded(body: bytes) -> Mapping[str, Any]:
    """The object in a JSON text. Raises BadRequestError: 400, or 413 for too many values.

    The decoder refuses nesting deeper than 200 and numbers of too many digits.
    """
    if entries(body) > MAX_ENTRIES:
        message = f"the body has more than {MAX_ENTRIES} objects and lists; send fewer at once"
        raise BadRequestError(message, 413)
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadRequestError("the body is not a JSON object")
    # A value has two bytes or more.
    if len(body) > 2 * MAX_VALUES and _has_too_many_values(content):
        message = f"the body has more than {MAX_VALUES} values; send fewer at once"
        raise BadRequestError(message, 413)
    return content


def _has_too_many_values(content: dict[str, Any]) -> bool:
    count, waiting = 0, list[Any]([content])
    while waiting:
        found = waiting.pop()
        count += len(found)
        if count > MAX_VALUES:
            return True
        values = found.values() if isinstance(found, dict) else found
        waiting += [value for value in values if isinstance(value, dict | list)]
    return False


def declared_length(text: str) -> int | None:
    """The bytes that a Content-Length header declares; None if it is not a number."""
    if not text.isdecimal():
        return None
    # Python refuses to convert thousands of digits.
    return int(text) if len(text) < _LENGTH_DIGITS else sys.maxsize


def _too_many() -> BadRequestError:
    return _unread(429, "registry-admission reads too many bodies; try again")


def _unread(code: int, message: str) -> BadRequestError:
    """An error that closes the connection, because the rest of the body is not read."""
    headers = {"Connection": "close"}
    return BadRequestError(message, code, headers | ({"Retry-After": "1"} if code == 429 else {}))
