"""Gives up an upload session on a client's behalf."""

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
    """Have the registry drop a session and its bytes. What fails is left to the registry.

    `path`: path and query of the session. A client that may push need not have the right to
    delete; then the session is finished under a digest that its bytes do not have, which registries
    answer by dropping it.
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
