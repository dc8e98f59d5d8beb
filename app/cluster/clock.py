"""Measures how far our clock is from the API server's, by the `Date` header of its responses."""

import math
import time
from collections.abc import Callable

_DRIFT = 0.001
"""Drift of two clocks, in seconds per second. NTP slews a clock by half of that."""


def _ahead() -> float:
    """How far the wall clock is ahead of the monotonic clock, in seconds."""
    return time.time() - time.monotonic()


class ServerClock:
    """Bounds on how far the API server's clock is ahead of ours.

    One response leaves an uncertainty of one second plus its round trip, because `Date` has whole
    seconds. Responses arrive at different fractions of a second, so that several together narrow
    the bounds. A response that contradicts the bounds shows that a clock was set; then it replaces
    them.
    """

    def __init__(self, ahead: Callable[[], float] = _ahead) -> None:
        self._ahead = ahead
        self._ahead_then = ahead()
        """The value when the bounds were found. If it differs now, somebody has set the clock."""
        self._least = -math.inf
        self._most = math.inf
        self._observed_at = 0.0

    def observe(self, date: float, *, sent: float, received: float) -> None:
        """Take a response into account: its `Date`, and when it was sent and received by our
        clock."""
        self._least, self._most = self._bounds
        self._ahead_then = self._ahead()
        least, most = date - received, date + 1.0 - sent
        drift = _DRIFT * abs(received - self._observed_at)
        closer = max(least, self._least - drift), min(most, self._most + drift)
        self._least, self._most = closer if closer[0] <= closer[1] else (least, most)
        self._observed_at = received

    def doubt(self) -> None:
        """Forget the bounds until the next response, because a clock seems to be wrong."""
        self._least, self._most = -math.inf, math.inf

    @property
    def error(self) -> float:
        """The largest possible error of our clock in seconds; infinite before the first
        response."""
        return max(map(abs, self._bounds))

    @property
    def behind(self) -> bool:
        """Whether our clock is behind the API server's rather than ahead."""
        return sum(self._bounds) > 0

    @property
    def _bounds(self) -> tuple[float, float]:
        """The bounds for our present clock, which may have been set since the last response."""
        added = self._ahead() - self._ahead_then
        return self._least - added, self._most - added
