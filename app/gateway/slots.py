"""Limits how many uploads run at once. The others wait in one queue for each client."""

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from app.gateway.upstream import authorization
from app.registry.errors import RegistryError

_RETRY_AFTER = 5
_WAITING = 1000
"""The number of uploads that may wait."""


class Slots:
    """Upload slots. Clients get free slots in turn, however many uploads each has waiting."""

    def __init__(self, limit: int, wait: float) -> None:
        """`wait`: seconds that an upload waits for a slot."""
        self._limit = limit
        self._wait = wait
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self.taken = 0

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def one(self, client: str) -> AsyncIterator[None]:
        """Hold a slot. Raises RegistryError if none becomes free in time."""
        if self.taken < self._limit:
            self.taken += 1
        else:
            await self._turn(client)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, client: str) -> None:
        if self.waiting >= _WAITING:
            raise self._refusal("and too many wait")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            async with asyncio.timeout(self._wait):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            else:
                self._leave(client, turn)
            if isinstance(error, TimeoutError):
                raise self._refusal(f"for more than {self._wait:g} s") from None
            raise

    def _pass_on(self) -> None:
        """Give a free slot to the next client."""
        while self._waiting:
            client, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _leave(self, client: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(client, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(client, None)

    def _refusal(self, why: str) -> RegistryError:
        return RegistryError(
            "TOOMANYREQUESTS",
            f"{self._limit} uploads are running (max-uploads) {why}; try again",
            retry_after=_RETRY_AFTER,
        )


def client_of(request: Request) -> str:
    """A name for the client: a hash of its credentials, or its address if it has none."""
    if credentials := authorization(request):
        return hashlib.sha256(credentials[0][1]).hexdigest()
    return request.client.host if request.client else ""
