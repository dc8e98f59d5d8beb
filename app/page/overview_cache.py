"""Caches the rows of the lists of namespaces and streams.

Reviews are decided on the same event loop. So rows are made in short steps, between which reviews
run, and at most once in a few seconds.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from app.cluster.kept_answers import KeptAnswers
from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.page.growth import Growth
from app.page.rows import Fullest, Row, natural, of_namespace, of_stream
from app.page.stored_sizes import StoredSizes
from app.quota.state import StateUnavailableError
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting.stored_bytes import StoredBytes

FRESH = 5.0
"""Seconds for which rows are kept."""
_KEPT = 8
"""The number of lists that are kept."""
_SLICE = 0.002
"""Seconds of work, after which reviews may run."""
_STRIDE = 100
"""The number of streams between two looks at the clock."""


class State(Protocol):
    def limits(self, namespace: str) -> NamespaceLimits: ...

    def usage(self, namespace: str) -> NamespaceUsage: ...


class OverviewCache:
    """Lists of rows, ordered by name with `stream-2` before `stream-10`."""

    def __init__(
        self,
        state: State,
        namespaces: Callable[[], Iterable[str]],
        domain: ApiDomain,
        sizes: StoredSizes,
        growth: Growth,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespaces`: those that have a limit or a stream."""
        self._state = state
        self._namespaces = namespaces
        self._domain = domain
        self._sizes = sizes
        self._growth = growth
        self._rows = KeptAnswers(
            self._make, lambda _: FRESH, capacity=_KEPT, at_once=_KEPT, clock=clock
        )

    async def namespaces(self) -> list[Row]:
        """The row of every namespace."""
        return await self._rows.of(None)

    async def streams(self, namespace: str) -> list[Row]:
        """The row of every stream of a namespace."""
        return await self._rows.of(namespace)

    @property
    def growth_since(self) -> float | None:
        """The start of the period of `Row.growth`, in seconds since the epoch; None at first."""
        return self._growth.since

    def stored_in(self, namespace: str, images: int) -> StoredBytes:
        """The bytes that a namespace's images store. `images`: their number."""
        return self._sizes.of_namespace(namespace, images)

    async def stored(self, stream: StreamUsage) -> StoredBytes:
        """The bytes that the images of one stream store."""
        return await self._sizes.of(stream.packed_images)

    async def _make(self, namespace: str | None) -> list[Row]:
        if namespace is None:
            return await self._make_namespaces()
        return await self._make_streams(namespace)

    async def _make_namespaces(self) -> list[Row]:
        pace, rows = _Pace(), []
        for namespace in sorted(self._namespaces(), key=natural):
            try:
                usage, limits = self._state.usage(namespace), self._state.limits(namespace)
            except StateUnavailableError:
                continue  # The page of the namespace shows the reason.
            fullest = Fullest()
            if limits.stream_images or limits.stream_tags:
                for number, (name, stream) in enumerate(list(usage.streams.items()), start=1):
                    fullest.see(name, stream)
                    if number % _STRIDE == 0:
                        await pace.rest()
            levels = fullest.levels(limits, self._domain)
            images = usage.image_count
            stored = self._sizes.of_namespace(namespace, images)
            gained = self._growth.of(namespace, images)
            rows.append(
                of_namespace(namespace, usage, limits, levels, self._domain, stored, gained)
            )
            await pace.rest()
        return rows

    async def _make_streams(self, namespace: str) -> list[Row]:
        pace, rows = _Pace(), []
        usage, limits = self._state.usage(namespace), self._state.limits(namespace)
        for name, stream in sorted(usage.streams.items(), key=lambda item: natural(item[0])):
            stored = await self._sizes.of(stream.packed_images)
            rows.append(of_stream(name, stream, limits, self._domain, stored))
            await pace.rest()
        return rows


class _Pace:
    """Lets reviews run after each slice of work."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    async def rest(self) -> None:
        if time.perf_counter() - self._started > _SLICE:
            await asyncio.sleep(0)
            self._started = time.perf_counter()
