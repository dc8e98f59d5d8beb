"""Reading JSON bodies within bounds of size, time and memory."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from app.api.errors import BadRequestError

TIMEOUT = 10.0
"""Seconds for a body to come in; an API server sends it in one piece."""
_LENGTH_DIGITS = 19
_AT_ONCE = 8
"""Largest bodies that are held at once; most bodies are a thousand times smaller."""


class BodyReader:
    """Reads the bodies of one endpoint's requests; all together they stay within bounds."""

    def __init__(self, max_bytes: int, timeout: float = TIMEOUT) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._held = 0

    async def json(self, request: Request) -> Mapping[str, Any]:
        """The decoded object. Raises BadRequestError: 400, 408, 413, 415 or 429.

        The decoder itself refuses nesting deeper than 200 and numbers without end.
        """
        media_type = request.headers.get("content-type", "application/json").partition(";")[0]
        if media_type.strip().lower() != "application/json":
            raise BadRequestError(f"the body must be application/json, not {media_type!r}", 415)
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.strip().lower() != "identity":
            message = f"the body must be sent as it is, not encoded as {encoding!r}"
            raise BadRequestError(message, 415)
        body = await self.read(request)
        try:
            content = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise BadRequestError(f"the body is not JSON: {error}") from None
        if not isinstance(content, dict):
            raise BadRequestError("the body is not a JSON object")
        return content

    async def read(self, request: Request) -> bytes:
        """All of it. Raises BadRequestError: 400, 408, 413 or 429."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                await self._read(request, body)
            return bytes(body)
        except TimeoutError:
            message = f"the body did not come in {self._timeout:g} s"
            raise _unread(408, message) from None
        finally:
            self._held -= len(body)
            # What a refusal's traceback holds stays until the garbage collector comes by.
            body.clear()

    async def _read(self, request: Request, body: bytearray) -> None:
        too_large = _unread(413, f"the body is larger than {self._max_bytes} bytes")
        length = declared_length(request.headers.get("content-length", ""))
        if length is not None and length > self._max_bytes:
            raise too_large
        try:
            async for chunk in request.stream():
                body += chunk
                self._held += len(chunk)
                if len(body) > self._max_bytes:
                    raise too_large
                if self._held > _AT_ONCE * self._max_bytes:
                    raise _unread(429, "registry-admission reads too many bodies; try again")
        except ClientDisconnect:
            raise BadRequestError("the body ended early") from None


def declared_length(text: str) -> int | None:
    """The bytes that a Content-Length header declares; None if it is not a number."""
    if not text.isdecimal():
        return None
    # Python refuses to convert thousands of digits.
    return int(text) if len(text) < _LENGTH_DIGITS else sys.maxsize


def _unread(code: int, message: str) -> BadRequestError:
    """The rest of the body is not waited for."""
    headers = {"Connection": "close"}
    return BadRequestError(message, code, headers | ({"Retry-After": "1"} if code == 429 else {}))
