"""Whether a client may push at all, before it is told anything about a namespace.

The registry decides. That it has let a client start an upload is remembered for a short time;
otherwise an upload is started on the client's behalf and given up again. What `/v2/` answers says
nothing: a registry that everybody may read from may still choose who writes.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from starlette.requests import Request

from app.gateway.cancel import cancel
from app.gateway.recent import Recent
from app.gateway.upstream import Answer, Upstream, authorization
from app.registry.names import Repository

_REMEMBERED = 60.0
"""Seconds."""
_CAPACITY = 20_000
_ACCEPTED = 202

_Key = tuple[bytes, Repository]


class PushRights:
    """Who may push where, by the registry's own answers."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._clock = clock
        self._granted: Recent[_Key, float] = Recent(_CAPACITY)
        self._asking: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    def learn(self, request: Request, repository: Repository) -> None:
        """The registry has let this client start an upload."""
        self._granted.keep(_key(request, repository), self._clock() + _REMEMBERED)

    async def refusal(self, request: Request, repository: Repository) -> Answer | None:
        """The registry's answer to a client that may not push; None for one that may.

        Raises UpstreamError, and RegistryError where uploads lead away from the registry.
        """
        key = _key(request, repository)
        asking = self._asking.setdefault(key, asyncio.Lock())
        async with asking:
            if self._clock() < self._granted.get(key, 0.0):
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


def _key(request: Request, repository: Repository) -> _Key:
    text = b"\n".join(value for _, value in authorization(request))
    return hashlib.sha256(text).digest(), repository
