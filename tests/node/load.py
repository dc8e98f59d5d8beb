"""A steady load of creates, and the number of creates that no replica answered."""

import asyncio
import contextlib
import itertools
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import httpx

from tests.e2e.pushes import Push
from tests.node.node import Node

CLIENTS = 4
_BEFORE = 2.0
"""Seconds of load before a change, and after it."""
_PAUSE = 0.15
"""Seconds of a client between two creates."""


@dataclass(frozen=True)
class Failure:
    """A create whose review failed."""

    at: float
    """Seconds after the load began."""
    code: int
    message: str


@dataclass
class Load:
    """Creates ImageStreamMappings while the block runs. Each of them fits its limit."""

    node: Node
    namespace: str
    prefix: str
    made: int = 0
    """The number of creates that were reviewed, or whose review failed."""
    unreviewed: int = 0
    """The number of creates that failed in the API server before a review."""
    failures: list[Failure] = field(default_factory=list)

    async def __aenter__(self) -> "Load":
        self._numbers = itertools.count()
        self._started = time.monotonic()
        self._tasks = [asyncio.create_task(self._create()) for _ in range(CLIENTS)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if not isinstance(result, asyncio.CancelledError):
                raise AssertionError(result)

    async def _create(self) -> None:
        path = f"/apis/image.alauda.io/v1/namespaces/{self.namespace}/imagestreammappings"
        context = ssl.create_default_context(cafile=str(self.node.ca_file))
        headers = {"Authorization": f"Bearer {self.node.token}"}
        async with httpx.AsyncClient(
            base_url=self.node.url, verify=context, headers=headers, timeout=30
        ) as client:
            for number in self._numbers:
                push = Push(self.namespace, f"{self.prefix}-{number}", "v1")
                with contextlib.suppress(httpx.TransportError):
                    self._count(await client.post(path, json=push.mapping("alauda.io")))
                await asyncio.sleep(_PAUSE)

    def _count(self, answer: httpx.Response) -> None:
        refused = "webhook" in answer.text
        if not answer.is_success and not refused:
            self.unreviewed += 1
            return
        self.made += 1
        if refused:
            at = time.monotonic() - self._started
            self.failures.append(Failure(at, answer.status_code, answer.json()["message"]))


@contextmanager
def limited(node: Node) -> Iterator[str]:
    """A new namespace whose limit has room for every create of a load."""
    namespace = f"team-{secrets.token_hex(4)}"
    there = node.create_namespace(namespace)
    node.kubectl(
        "create", "quota", "image-registry-quota", there,
        "--hard=count/imagestreams.image.alauda.io=100000,alauda.io/image-tags=100000",
    )  # fmt: skip
    try:
        yield namespace
    finally:
        node.kubectl("delete", "namespace", namespace, "--wait=false")


async def under_load(node: Node, namespace: str, change: Callable[[Node], None]) -> Load:
    """Create mappings before, during and after a change."""
    started = time.monotonic()
    async with Load(node, namespace, change.__name__.replace("_", "-")) as load:
        await asyncio.sleep(_BEFORE)
        await asyncio.to_thread(change, node)
        changed = time.monotonic() - started
        await asyncio.sleep(_BEFORE)
    print(
        f"\n{change.__name__}: {len(load.failures)} of {load.made} failed, changed in "
        f"{changed - _BEFORE:.0f} s; {load.unreviewed} more got no review"
    )
    for message, times in _by_message(load.failures).items():
        print(f"  {len(times)} from {times[0]:.1f} to {times[-1]:.1f} s: {message}")
    return load


def _by_message(failures: list[Failure]) -> dict[str, list[float]]:
    """The times of each message. Messages that differ only in numbers count as equal."""
    found: dict[str, list[float]] = {}
    for failure in failures:
        text = re.sub(r"\d+", "…", f"{failure.code}: {failure.message}")[:300]
        found.setdefault(text, []).append(failure.at)
    return found
