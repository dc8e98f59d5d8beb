"""Whether a client may push at all, before it is told anything about a namespace.

The registry decides. That it has let a client start an upload is remembered for a short time;
otherwise an upload is started on the client's behalf and given up again.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from starlette.requests import Request

from app.registry.names import Repository
from app.registry.upstream import Answer, Upstream, UpstreamError, authorization

_REMEMBERED = 60.0
"""Seconds."""
_CAPACITY = 20_000
_ACCEPTED = 202
_OK = 200

_Key = tuple[bytes, Repository]


class PushRights:
    """Who may push where, by the registry's own answers."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._clock = clock
        self._granted: OrderedDict[_Key, float] = OrderedDict()
        self._open_until = 0.0

    def learn(self, request: Request, repository: Repository) -> None:
        """The registry has let this client start an upload."""
        self._granted[_key(request, repository)] = self._clock() + _REMEMBERED
        if len(self._granted) > _CAPACITY:
            self._granted.popitem(last=False)

    async def refusal(self, request: Request, repository: Repository) -> Answer | None:
        """The registry's answer to a client that may not push; None for one that may.

        Raises UpstreamError.
        """
        if self._clock() < self._granted.get(_key(request, repository), 0.0):
            return None
        if await self._is_open():
            return None
        headers = [
            *authorization(request),
            (b"content-length", b"0"),
        ]
        path = f"/v2/{repository}/blobs/uploads/".encode()
        answer = await self._upstream.send("POST", path, headers)
        if answer.status != _ACCEPTED:
            return answer
        await answer.close()
        self.learn(request, repository)
        if location := self._upstream.path_of(answer.header("location")):
            with suppress(UpstreamError):
                await (await self._upstream.send("DELETE", location, headers)).close()
        return None

    async def _is_open(self) -> bool:
        """A registry that knows no clients lets everyone push."""
        if self._clock() >= self._open_until:
            answer = await self._upstream.send("GET", b"/v2/")
            await answer.close()
            if answer.status != _OK:
                return False
            self._open_until = self._clock() + _REMEMBERED
        return True


def _key(request: Request, repository: Repository) -> _Key:
    text = b"\n".join(value for _, value in authorization(request))
    return hashlib.sha256(text).digest(), repository
