"""How fast the controllers may go, and how long they bear with somebody who disagrees."""

import asyncio
import time
from collections.abc import Callable, Hashable


class RateLimiter:
    """Turns at a rate, so that no amount of work floods the API server.

    A short burst goes through at once, as long as there was quiet before it.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1.0 / per_second
        self._slack = burst * self._interval
        self._clock = clock
        self._next = 0.0

    def reserve(self) -> float:
        """Take the next turn; how many seconds it is away."""
        now = self._clock()
        self._next = max(self._next, now - self._slack) + self._interval
        return max(0.0, self._next - now)

    async def turn(self) -> None:
        """Wait for the next turn."""
        seconds = self.reserve()
        if seconds:
            await asyncio.sleep(seconds)


PATIENCE = 3
"""RepairBackoff of one object that are made at once."""
_LONGEST = 600.0
"""Seconds between repairs at most; after twice as long without any, all is forgotten."""


class RepairBackoff:
    """Spaces the repairs of what somebody keeps changing back, so that none is a fight."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[Hashable, tuple[int, float]] = {}

    def wait(self, key: Hashable) -> float:
        """Seconds until the next repair of an object may be made."""
        count, last = self._made.get(key, (0, 0.0))
        if count < PATIENCE:
            return 0.0
        return max(0.0, last + min(_LONGEST, 2.0 ** min(count - 1, 16)) - self._clock())

    def note(self, key: Hashable) -> int:
        """An object has been repaired; how often of late."""
        now = self._clock()
        count, last = self._made.get(key, (0, now))
        count = 1 if now - last > 2 * _LONGEST else count + 1
        self._made[key] = (count, now)
        return count

    def forget(self, key: Hashable) -> None:
        self._made.pop(key, None)
