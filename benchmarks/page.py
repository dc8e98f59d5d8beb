"""d: the cost of the page on a large cluster, and how long it delays reviews."""

import asyncio
import gc
import statistics
import time
from collections.abc import Sequence

import httpx
from fastapi import FastAPI

from app.auth.authentication import Subject, Visible
from app.config.garbage import collect_rarely
from app.model.domain import ApiDomain
from app.model.image import StoredImage
from app.model.limits import HardLimits, Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.page.api import PageApi
from app.page.growth import Growth
from app.page.overview_cache import FRESH, OverviewCache
from app.page.refusals import Refusals
from app.page.rendering import Renderer
from app.page.session import Sessions
from app.page.stored_sizes import StoredSizes
from app.page.views import Views
from app.registry.names import Repository
from benchmarks.scale import State, resident_megabytes

_NAMESPACES, _STREAMS = 5_000, 20
_VIEWS = 50
_TICK = 0.001


class Everybody:
    """Knows every token, and lets its owner see every namespace."""

    sees = hint = ""

    async def authenticate(self, token: str) -> Subject | None:
        return Subject("benchmark")

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject | None:
        return None

    async def may_push(self, subject: Subject, repository: Repository) -> bool:
        return False

    async def visible(self, subject: Subject, namespaces: Sequence[str]) -> Visible:
        return Visible(frozenset(namespaces))


class Limited(State):
    """Quotas and limits for streams that are never reached."""

    def limits(self, namespace: str) -> NamespaceLimits:
        return _LIMITS


_HARD = Quantity.of_count(1000)
_LIMITS = NamespaceLimits(
    stream_images=Limit("limits", _HARD),
    stream_tags=Limit("limits", _HARD),
    quotas=(HardLimits("quota", _HARD, _HARD, _HARD),),
)


class Loop:
    """The longest time in which nothing else could run on the event loop."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.longest_work = 0.0
        """The same in CPU seconds of this process, which other processes do not lengthen."""

    async def watch(self) -> None:
        while True:
            before, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_TICK)
            self.longest = max(self.longest, time.perf_counter() - before - _TICK)
            self.longest_work = max(self.longest_work, time.thread_time() - worked)


async def no_image(_: str) -> StoredImage | None:
    return None


def client(state: State) -> httpx.AsyncClient:
    domain = ApiDomain()
    sizes, growth = StoredSizes(state, lambda: state.index, no_image), Growth(state, lambda: ())
    board = OverviewCache(state, lambda: state.index, domain, sizes, growth)
    views = Views(state, board, Refusals(domain), Everybody(), domain, Renderer())
    app = FastAPI()
    app.include_router(PageApi(views, Everybody(), Sessions(lambda: b"key"), Renderer()).router())
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://benchmark",
        headers={"Authorization": "Bearer benchmark"},
    )


async def measure(title: str, viewer: httpx.AsyncClient, path: str, pause: float = 0.0) -> None:
    loop, times = Loop(), []
    watching = asyncio.create_task(loop.watch())
    await asyncio.sleep(0.01)
    for _ in range(1 if pause else _VIEWS):
        await asyncio.sleep(pause)
        started = time.perf_counter()
        answer = await viewer.get(path)
        times.append(time.perf_counter() - started)
        assert answer.status_code == 200
    watching.cancel()
    print(
        f"{title}: {statistics.median(times) * 1e3:.0f} ms, others waited at most "
        f"{loop.longest * 1e3:.0f} ms ({loop.longest_work * 1e3:.0f} ms of CPU)"
    )


async def main() -> None:
    state = Limited()
    state.fill(_NAMESPACES, _STREAMS)
    collect_rarely()
    gc.collect()
    gc.freeze()
    print(f"{_NAMESPACES:,} namespaces, {_NAMESPACES * _STREAMS:,} streams of 10 tags")
    before = resident_megabytes()
    viewer = client(state)
    await measure("the overview, counted anew", viewer, "/page", pause=0.1)
    print(f"what is kept for it: {resident_megabytes() - before:.0f} MB")
    await measure("the overview, counted anew again", viewer, "/page", pause=FRESH)
    await measure("the overview, filtered", viewer, "/page?q=99&limit=tags")
    await measure("the last page", viewer, "/page?page=100")
    await measure("a namespace", viewer, "/page/namespaces/ns-7")
    await measure("a stream", viewer, "/page/namespaces/ns-7/streams/stream-3")
    wide = Limited()
    wide.fill(1, 100_000)
    gc.freeze()
    wide_viewer = client(wide)
    path = "/page/namespaces/ns-0"
    await measure("a namespace of 100,000 streams, counted anew", wide_viewer, path, pause=0.1)
    await measure("a namespace of 100,000 streams", wide_viewer, path)


if __name__ == "__main__":
    asyncio.run(main())
