"""Limits on how fast controllers write, and how often they repair one object."""

import asyncio
import time
from collections.abc import Callable, Hashable


class RateLimiter:
    """Gives out turns at a steady rate, so that no amount of work overloads the API server.

    A short burst passes at once after a quiet time.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1.0 / per_second
        self._slack = burst * self._interval
        self._clock = clock
        self._next = 0.0

    def reserve(self) -> float:
        """Take the next turn. Returns the seconds until it comes."""
        now = self._clock()
        self._next = max(self._next, now - self._slack) + self._interval
        return max(0.0, self._next - now)

    async def turn(self) -> None:
        """Wait for the next turn."""
        seconds = self.reserve()
        if seconds:
            await asyncio.sleep(seconds)


PATIENCE = 3
"""Repairs of one object that are made without a pause."""
_LONGEST = 600.0
"""The longest pause between repairs, in seconds. After twice that without a repair, the count
starts again."""


class RepairBackoff:
    """Spaces the repairs of an object that something else changes again and again."""

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
        """Count a repair. Returns the number of recent repairs."""
        now = self._clock()
        count, last = self._made.get(key, (0, now))
        count = 1 if now - last > 2 * _LONGEST else count + 1
        self._made[key] = (count, now)
        return count

    def forget(self, key: Hashable) -> None:
        self._made.pop(key, None)
