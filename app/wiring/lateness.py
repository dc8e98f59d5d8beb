"""Detects that this process gets too little CPU.

A replica without enough CPU reads its watches late, and its view becomes too old to decide on. It
turns unready before that, so that reviews go to other replicas.
"""

import asyncio
import time
from collections.abc import Callable

TICK = 0.25
LIMIT = 1.0
"""Seconds that the event loop may wake up late."""
CALM = 8
"""Ticks in a row that have to be on time after a late one: 2 seconds."""


class Lateness:
    """Measures how late the event loop wakes up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._late = 0.0
        self._on_time = CALM

    def is_late(self) -> bool:
        """Whether requests should go to another replica."""
        return self._on_time < CALM

    def problems(self) -> list[str]:
        if not self.is_late():
            return []
        return [f"gets too little CPU: ran {self._late:.1f} s late (limit: {LIMIT:g} s)"]

    async def run(self) -> None:
        """Compare the time of each tick with the time when it was due, until cancelled."""
        while True:
            due = self._clock() + TICK
            await asyncio.sleep(TICK)
            late = self._clock() - due
            if late > LIMIT:
                self._late, self._on_time = late, 0
            else:
                self._on_time += 1
