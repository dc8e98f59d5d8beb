"""The content of each page: only namespaces that its user may see."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request

from app.auth.authentication import Authenticator, Subject
from app.model.domain import ApiDomain
from app.page import rows, steps, tags
from app.page.bars import HIGH
from app.page.overview_cache import OverviewCache
from app.page.query import Query, counts, part, select
from app.page.refusals import WINDOW, Refusal, Refusals
from app.page.rendering import Renderer
from app.page.rows import Column
from app.page.session import COOKIE
from app.policy import fullness
from app.quota.in_flight import NOTHING_IN_FLIGHT, InFlight, in_flight
from app.quota.state import ClusterState, StateUnavailableError
from app.quota.store import LedgerStore
from app.quota.usage import NamespaceUsage, StreamUsage

_ROWS = 50
_TAGS = 100
_REFUSALS = 50
_FEW = 5
"""The number of refusals on the page of a namespace or a stream."""
_STREAM_COLUMNS: tuple[Column, ...] = ("images", "tags")


class NothingThereError(Exception):
    """The object does not exist, or the user may not see it. Users are not told which."""


class Views:
    def __init__(
        self,
        state: ClusterState,
        lists: OverviewCache,
        refusals: Refusals,
        authenticator: Authenticator,
        domain: ApiDomain,
        renderer: Renderer,
        ledgers: LedgerStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ledgers`: the reservations; None if `state` counts them as stored."""
        self._state = state
        self._lists = lists
        self._refusals = refusals
        self._authenticator = authenticator
        self._domain = domain
        self._clock = clock
        self._renderer = renderer
        self._ledgers = ledgers

    async def overview(self, request: Request, subject: Subject) -> str:
        """Every namespace, the fullest first."""
        query = Query.parse(request.query_params)
        every = await self._lists.namespaces()
        refusals = self._refused_in_namespaces()
        wanted = await select(every, query, refusals)
        # Check the filtered namespaces first: they may be far down in a long list.
        order = dict.fromkeys([*(row.name for row in wanted), *(row.name for row in every)])
        visible = await self._authenticator.visible(subject, list(order))
        seen = [row for row in every if row.name in visible.namespaces]
        shown = [row for row in wanted if row.name in visible.namespaces]
        return self._render(
            "overview",
            request,
            subject,
            query=query,
            part=part(shown, query.page, _ROWS),
            counts=await counts(seen, query.column),
            unchecked=visible.unchecked,
            sees=self._authenticator.sees,
            refused=len(await self._refused(subject)),
            refusals=refusals,
            growth_since=self._lists.growth_since,
        )

    async def namespace(self, request: Request, subject: Subject) -> str:
        """The limits of a namespace, and its streams."""
        name = request.path_params["namespace"]
        await self._require(subject, name)
        query = Query.parse(request.query_params)
        limits, usage = self._state.limits(name), self._state.usage(name)
        refusals = self._refusals.of(name)
        if not (limits.limits_members or limits.image_size or usage.streams or refusals):
            raise NothingThereError
        streams = await self._lists.streams(name)
        by_stream = _by_stream(refusals)
        wanted = await select(streams, query, by_stream)
        return self._render(
            "namespace",
            request,
            subject,
            name=name,
            query=query,
            levels=list(fullness.of_namespace(name, usage, limits, self._domain)),
            image_size=limits.image_size,
            unlimited=not (limits.limits_members or limits.image_size),
            untagged=await steps.total(stream.untagged for stream in list(usage.streams.values())),
            in_flight=await self._in_flight(name, usage),
            limits_streams=bool(limits.stream_images or limits.stream_tags),
            stream_columns=_STREAM_COLUMNS,
            stored=self._lists.stored_in(name, usage.image_count),
            image_count=usage.image_count,
            refused_in=by_stream,
            part=part(wanted, query.page, _ROWS),
            levels_of=lambda row: rows.of_stream(row.name, row, limits, self._domain).levels,
            counts=await counts(streams, query.column),
            refusals=refusals[:_FEW],
            refused=len(refusals),
        )

    async def _in_flight(self, namespace: str, usage: NamespaceUsage) -> InFlight:
        if self._ledgers is None:
            return NOTHING_IN_FLIGHT
        try:
            ledger, _ = await self._ledgers.load(namespace)
        except StateUnavailableError:
            return NOTHING_IN_FLIGHT  # A refusal of a push shows the reason.
        return in_flight(ledger, usage, self._clock())

    async def stream(self, request: Request, subject: Subject) -> str:
        """The tags of a stream and the sizes of their images."""
        namespace, name = request.path_params["namespace"], request.path_params["stream"]
        await self._require(subject, namespace)
        limits = self._state.limits(namespace)
        stream = self._state.usage(namespace).streams.get(name)
        refusals = self._refusals.of(namespace, name)
        if stream is None:
            if not refusals:
                raise NothingThereError
            stream = StreamUsage({})
        query = Query.parse(request.query_params)
        chosen = part(await tags.names(stream, query.text), query.page, _TAGS)
        latest = [digest for tag in chosen.items if (digest := stream.latest(tag))]
        sizes = await tags.sizes(self._state, latest)
        return self._render(
            "stream",
            request,
            subject,
            namespace=namespace,
            name=name,
            query=query,
            levels=list(rows.of_stream(name, stream, limits, self._domain).levels.values()),
            image_size=limits.image_size,
            stored=await self._lists.stored(stream),
            image_count=stream.image_count,
            part=chosen,
            tags=tags.tags(stream, chosen.items, sizes, limits),
            refusals=refusals[:_FEW],
            refused=len(refusals),
        )

    async def refusals(self, request: Request, subject: Subject) -> str:
        """The refusals of the last hours."""
        query = Query.parse(request.query_params)
        text = query.text.lower()
        found = [refusal for refusal in await self._refused(subject) if text in _searched(refusal)]
        return self._render(
            "refusals",
            request,
            subject,
            query=query,
            part=part(found, query.page, _REFUSALS),
            since=self._refusals.since,
            forgotten=self._refusals.has_forgotten,
        )

    async def elsewhere(self, request: Request, subject: Subject) -> str:
        """The answer for an address without a page. Raises NothingThereError."""
        raise NothingThereError

    def _refused_in_namespaces(self) -> Mapping[str, int]:
        counts = Counter[str]()
        for refusal in self._refusals.recent():
            counts[refusal.namespace] += refusal.count
        return counts

    async def _require(self, subject: Subject, namespace: str) -> None:
        visible = await self._authenticator.visible(subject, [namespace])
        if namespace not in visible.namespaces:
            raise NothingThereError

    async def _refused(self, subject: Subject) -> list[Refusal]:
        """The refusals that a user may see, latest first."""
        found = self._refusals.recent()
        names = list(dict.fromkeys(refusal.namespace for refusal in found))
        visible = await self._authenticator.visible(subject, names)
        return [refusal for refusal in found if refusal.namespace in visible.namespaces]

    def _render(self, template: str, request: Request, subject: Subject, **values: Any) -> str:
        return self._renderer.render(
            template,
            viewer=subject.name,
            path=request.url.path,
            session=COOKIE in request.cookies,
            now=self._clock(),
            seen=self._state.view().time,
            problems=self._state.problems(),
            window=int(WINDOW // 3600),
            threshold=HIGH,
            **values,
        )


def _by_stream(refusals: Iterable[Refusal]) -> Mapping[str, int]:
    counts = Counter[str]()
    for refusal in refusals:
        counts[refusal.stream] += refusal.count
    return counts


def _searched(refusal: Refusal) -> str:
    parts = (refusal.namespace, "/", refusal.stream, " ", *refusal.reasons, " ", refusal.message,
             " ", refusal.user)  # fmt: skip
    return "".join(parts).lower()
