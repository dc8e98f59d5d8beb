"""Finds out whether a client may push, before the gateway tells it anything about a namespace.

The registry decides. The gateway starts an upload with the client's credentials, cancels it, and
remembers for a short time that the client may push. The answer to `/v2/` is not enough: a registry
may let everybody read and only some write.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from cachetools import TTLCache
from starlette.requests import Request

from app.gateway.cancel import cancel
from app.gateway.upstream import Answer, Upstream, authorization
from app.registry.names import Repository

_REMEMBERED = 60.0
"""Seconds."""
_CAPACITY = 20_000
_ACCEPTED = 202


class PushRights:
    """Remembers which clients may push to which repositories."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._granted: TTLCache[bytes, bool] = TTLCache(_CAPACITY, _REMEMBERED, timer=clock)
        self._asking: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    def learn(self, request: Request, repository: Repository) -> None:
        """Remember that the registry let this client start an upload."""
        self._granted[_key(request, repository)] = True

    async def refusal(self, request: Request, repository: Repository) -> Answer | None:
        """The registry's answer to a client that may not push; None if the client may push.

        Raises UpstreamError, and RegistryError if the registry sends uploads to another host.
        """
        key = _key(request, repository)
        asking = self._asking.setdefault(key, asyncio.Lock())
        async with asking:
            if key in self._granted:
                return None
            return await self._ask(request, repository)

    async def _ask(self, request: Request, repository: Repository) -> Answer | None:
        credentials = authorization(request)
        answer = await self._upstream.send(
            "POST",
            f"/v2/{repository}/blobs/uploads/",
            [*credentials, (b"content-length", b"0")],
            external=self._upstream.external(request),
        )
        if answer.status != _ACCEPTED:
            return answer
        await answer.close()
        self.learn(request, repository)
        if answer.path:
            await cancel(self._upstream, answer.path, credentials)
        return None


def _key(request: Request, repository: Repository) -> bytes:
    """A hash: clients choose how long credentials and names are."""
    lines = [str(repository).encode(), *(value for _, value in authorization(request))]
    return hashlib.sha256(b"\n".join(lines)).digest()
