"""How many images a namespace has gained in a day, as far as this process has seen it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from app.quota.state import StateUnavailableError
from app.quota.usage import NamespaceUsage

PERIOD = 4 * 3600.0
"""Seconds between two samples."""
_KEPT = 6
"""Samples of a day: the oldest is 20 to 24 hours old."""
_WAIT = 5.0
"""Seconds until a state that is not loaded is looked at again."""
_STRIDE = 500


class State(Protocol):
    def problems(self) -> list[str]: ...

    def usage(self, namespace: str) -> NamespaceUsage: ...


class Growth:
    """Samples of the number of images in each namespace."""

    def __init__(
        self,
        state: State,
        namespaces: Callable[[], Iterable[str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._namespaces = namespaces
        self._clock = clock
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=_KEPT)

    @property
    def since(self) -> float | None:
        """When the oldest sample was taken, in seconds since the epoch; None without one."""
        return self._samples[0][0] if self._samples else None

    def of(self, namespace: str, images: int) -> int:
        """How many images a namespace has more than in the oldest sample; negative for fewer."""
        return images - self._samples[0][1].get(namespace, 0) if self._samples else 0

    async def run(self) -> None:
        """Take samples until cancelled."""
        while True:
            loaded = not self._state.problems()
            if loaded:
                await self.sample()
            await asyncio.sleep(PERIOD if loaded else _WAIT)

    async def sample(self) -> None:
        counts = {}
        for number, namespace in enumerate(list(self._namespaces()), start=1):
            try:
                counts[namespace] = self._state.usage(namespace).image_count
            except StateUnavailableError:
                continue
            if number % _STRIDE == 0:
                await asyncio.sleep(0)
        self._samples.append((self._clock(), counts))
