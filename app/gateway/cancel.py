"""Cancels an upload session with a client's credentials."""

import asyncio
import logging
import re

from app.gateway.transport import RawHeaders, UpstreamError
from app.gateway.upstream import Upstream
from app.registry.errors import RegistryError

logger = logging.getLogger("registry_admission.gateway")

_WITHIN = 5.0
"""Seconds."""
_NO_CONTENT = "sha256:" + "0" * 64
"""No known content has this digest."""
_DIGEST = re.compile(r"(?<=&)digest=[^&]*&?|^digest=[^&]*&?")
_GONE = 404


async def cancel(upstream: Upstream, path: str, credentials: RawHeaders) -> None:
    """Have the registry delete an upload session and its bytes. A failure is only logged.

    `path`: path and query of the session. A client that may push may lack the right to delete.
    Then the gateway finishes the session with a wrong digest, and the registry deletes it.
    """
    path, _, query = path.partition("?")
    query = _DIGEST.sub("", query).rstrip("&")
    headers = [*credentials, (b"content-length", b"0")]
    try:
        async with asyncio.timeout(_WITHIN):
            session = path + (f"?{query}" if query else "")
            status = await _status(upstream, "DELETE", session, headers)
            if status >= 400 and status != _GONE:
                session = (
                    f"{path}?{query}&digest={_NO_CONTENT}"
                    if query
                    else (f"{path}?digest={_NO_CONTENT}")
                )
                await _status(upstream, "PUT", session, headers)
    except (UpstreamError, RegistryError, TimeoutError) as error:
        logger.info("upload session left behind", extra={"problem": str(error)})


async def _status(upstream: Upstream, method: str, path: str, headers: RawHeaders) -> int:
    answer = await upstream.send(method, path, headers)
    await answer.close()
    return answer.status
