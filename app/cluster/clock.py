"""How far is our clock from the API server's? The `Date` of its answers tells, to the second."""

import math

_DRIFT = 0.001
"""Seconds a second by which two clocks may move apart; a clock that is being set right by NTP
goes wrong by half of that."""


class ServerClock:
    """Bounds on the time that the API server is ahead of us, closer with every answer.

    One answer leaves a second of doubt, and the time that it took. Answers come at different
    parts of a second, so together they leave far less; one that contradicts those before it
    shows that a clock was set, and counts alone.
    """

    def __init__(self) -> None:
        self._least = -math.inf
        self._most = math.inf
        self._observed_at = 0.0

    def observe(self, date: float, *, sent: float, received: float) -> None:
        """An answer: its `Date`, and by our clock when it was asked for and when it came."""
        least, most = date - received, date + 1.0 - sent
        drift = _DRIFT * abs(received - self._observed_at)
        closer = max(least, self._least - drift), min(most, self._most + drift)
        self._least, self._most = closer if closer[0] <= closer[1] else (least, most)
        self._observed_at = received

    @property
    def error(self) -> float:
        """The most that our clock can be off, in seconds; infinite before the first answer."""
        return max(abs(self._least), abs(self._most))

    @property
    def behind(self) -> bool:
        """Whether it is behind the API server's, rather than ahead of it."""
        return self._least + self._most > 0
