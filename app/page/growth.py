"""The number of images that a namespace has gained in a day, as seen by this process."""

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
"""The number of samples that are kept. The oldest is 20 to 24 hours old."""
_WAIT = 5.0
"""Seconds until the next look at a state that is not loaded."""
_STRIDE = 500
"""After this number of namespaces, reviews may run."""


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
        """The growth of a namespace since the oldest sample; negative if it has fewer images."""
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
