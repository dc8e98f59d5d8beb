"""Reading a JSON body within bounds."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from app.api.errors import BadRequestError


async def read_json(request: Request, max_bytes: int) -> Mapping[str, Any]:
    """The decoded object. Raises BadRequestError: 400, 413 or 415.

    The decoder itself refuses nesting deeper than 200 and numbers without end.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise BadRequestError(f"the body must be application/json, not {media_type!r}", 415)
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise BadRequestError(f"the body must be sent as it is, not encoded as {encoding!r}", 415)
    body = await read_body(request, max_bytes)
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadRequestError("the body is not a JSON object")
    return content


async def read_body(request: Request, max_bytes: int) -> bytes:
    """All of it. Raises BadRequestError: 400 or 413."""
    too_large = BadRequestError(f"the body is larger than {max_bytes} bytes", 413)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise too_large
    except ClientDisconnect:
        raise BadRequestError("the body ended early") from None
    return bytes(body)
