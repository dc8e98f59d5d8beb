"""An API server in memory with lists and watches, and a state that follows it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.cluster.api import ApiError, ConflictError, Content, Query
from app.cluster.clock import ServerClock
from app.cluster.heartbeat import NAME as HEARTBEAT
from app.cluster.kubernetes import KubernetesState
from app.cluster.unreadable import UnreadableEvents
from app.quota.view import Timing
from tests.patience import PATIENCE
from tests.unit.listed_cluster import ListedCluster
from tests.unit.stores import DOMAIN

RANGES, QUOTAS = "/api/v1/limitranges", "/api/v1/resourcequotas"
STREAMS = "/apis/image.alauda.io/v1/imagestreams"
CONFIGS = "/apis/imageregistry.operator.alauda.io/v1/configs"
NAMESPACES = "/api/v1/namespaces"
NOW = 1_800_000_000.0


class Cluster(ListedCluster):
    """An API server: objects by the path of their list. `tell` sends events to the watches."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        paths = {"ranges": RANGES, "quotas": QUOTAS, "streams": STREAMS, "configs": CONFIGS}
        super().__init__({NAMESPACES: [], **{path: [] for path in paths.values()}})
        for name, items in lists.items():
            self.lists[paths[name]] = items
        self.now = NOW
        self.clock = ServerClock()
        self.tell_time()
        self.failing: ApiError | None = None
        """The error with which the Image API answers a heartbeat, if any."""
        self.deaf = False
        """Whether the watch of ImageStreams leaves heartbeats out."""
        self.events: dict[str, Content] = {}
        self.news: dict[str, asyncio.Queue[Content]] = {}

    async def watch(self, path: str, query: Query) -> AsyncGenerator[Content, None]:
        queue = self.news.setdefault(path, asyncio.Queue())
        while True:
            yield await queue.get()

    async def create(self, path: str, content: Content, query: Query | None = None) -> Content:
        key = f"{path}/{content['metadata']['name']}"
        if key in self.events:
            raise ConflictError(409, "exists")
        self.events[key] = content
        return content

    async def merge(self, path: str, patch: Content, query: Query | None = None) -> Content:
        if self.failing is not None:
            raise self.failing
        self.tell_time()
        metadata = {"namespace": "own", "name": HEARTBEAT, "resourceVersion": "9"}
        content = {"metadata": metadata | patch["metadata"]}
        if not self.deaf:
            self.tell(STREAMS, "MODIFIED", content)
        return content

    def tell(self, path: str, kind: str, content: Content) -> None:
        """Send an event to the watches of a list."""
        queue = self.news.setdefault(path, asyncio.Queue())
        queue.put_nowait({"type": kind, "object": content})

    def tell_time(self) -> None:
        self.clock.observe(float(int(self.now)), sent=self.now, received=self.now)


def named(namespace: str, name: str = "odd", **content: Any) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "uid": "u", "resourceVersion": "1"}
    return {"metadata": metadata, **content}


def config(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "cluster"}, "spec": spec}


@asynccontextmanager
async def following(cluster: Cluster, *, synced: bool = True) -> AsyncIterator[KubernetesState]:
    events = UnreadableEvents(cluster)
    state = KubernetesState(
        cluster,
        DOMAIN,
        namespace="own",
        timing=Timing(lag=5, skew=4),
        silence=150,
        clock=lambda: cluster.now,
        noticed=events.add,
    )
    tasks = [asyncio.create_task(job()) for job in (state.run, events.run)]
    if synced:
        assert await state.synced(5)
    yield state
    for task in tasks:
        task.cancel()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)
