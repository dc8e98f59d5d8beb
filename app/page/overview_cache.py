"""Caches the rows of the lists of namespaces and streams.

Reviews are decided on the same event loop. So rows are made in short steps, between which reviews
run, and at most once in a few seconds.
"""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from app.cluster.kept_answers import KeptAnswers
from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.page.growth import Growth
from app.page.rows import Fullest, Row, StreamRow, natural, of_namespace
from app.page.steps import TimeSlices, ordered, paced
from app.page.stored_sizes import StoredSizes
from app.quota.state import StateUnavailableError
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting.stored_bytes import StoredBytes

FRESH = 5.0
"""Seconds for which rows are kept."""
_KEPT = 8
"""The number of lists that are kept."""


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
        self._namespace_rows = KeptAnswers(
            self._make_namespaces, lambda _: FRESH, capacity=1, at_once=1, clock=clock
        )
        self._stream_rows = KeptAnswers(
            self._make_streams, lambda _: FRESH, capacity=_KEPT, at_once=_KEPT, clock=clock
        )

    async def namespaces(self) -> list[Row]:
        """The row of every namespace."""
        return await self._namespace_rows.of(None)

    async def streams(self, namespace: str) -> list[StreamRow]:
        """The row of every stream of a namespace."""
        return await self._stream_rows.of(namespace)

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

    async def _make_namespaces(self, _: None) -> list[Row]:
        slices, rows = TimeSlices(), []
        for namespace in await ordered(list(self._namespaces()), natural):
            try:
                usage, limits = self._state.usage(namespace), self._state.limits(namespace)
            except StateUnavailableError:
                continue  # The page of the namespace shows the reason.
            fullest = Fullest()
            if limits.stream_images or limits.stream_tags:
                async for name, stream in paced(list(usage.streams.items())):
                    fullest.see(name, stream)
            levels = fullest.levels(limits, self._domain)
            images = usage.image_count
            stored = self._sizes.of_namespace(namespace, images)
            gained = self._growth.of(namespace, images)
            rows.append(
                of_namespace(namespace, usage, limits, levels, self._domain, stored, gained)
            )
            await slices.rest()
        return rows

    async def _make_streams(self, namespace: str) -> list[StreamRow]:
        slices, rows = TimeSlices(), []
        limits, streams = self._state.limits(namespace), self._state.usage(namespace).streams
        for name in await ordered(list(streams), natural):
            stream = streams.get(name)
            if stream is not None:
                stored = await self._sizes.of(stream.packed_images)
                rows.append(StreamRow.of(name, stream, limits, stored))
            await slices.rest()
        return rows
