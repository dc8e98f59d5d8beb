"""Questions about the sizes of blobs are few, take turns among namespaces, and have an end."""

import asyncio
import json
from collections import Counter

import httpx
import pytest

from app.gateway.blob_sizes import BlobSizes
from app.gateway.transport import UpstreamError
from app.gateway.upstream import Upstream
from app.model.manifest import Manifest
from app.registry.errors import RegistryError
from app.registry.names import Repository
from tests.unit import virtual_time
from tests.unit.gateways import ORIGIN
from tests.unit.pushes import blob, pushed
from tests.unit.transports import FakeTransport

SECONDS = 1.0
"""The time of the registry for each answer."""
APP, OTHER = Repository("team-a", "app"), Repository("team-b", "app")


def of_blobs(count: int) -> Manifest:
    layers = [blob(f"layer {number}", 7) for number in range(count - 1)]
    content = {"schemaVersion": 2, "config": blob("config", 7), "layers": layers}
    return pushed(json.dumps(content).encode())


class SlowRegistry:
    """Has every blob that a manifest of `of_blobs` names, unless `answer` says otherwise."""

    def __init__(self, answer: httpx.Response | UpstreamError | None = None) -> None:
        self.answer = answer or httpx.Response(200, headers={"Content-Length": "7"})
        self.asked = Counter[str]()
        self.answered = Counter[str]()
        transport = FakeTransport(self.respond)
        upstream = Upstream(ORIGIN, None, idle_timeout=60, answer_timeout=60, transport=transport)
        self.sizes = BlobSizes(upstream, "deny")

    async def respond(self, request: httpx.Request) -> httpx.Response:
        self.asked[request.url.path] += 1
        await asyncio.sleep(SECONDS)
        self.answered[request.url.path] += 1
        if isinstance(self.answer, UpstreamError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(404), id="blob that is not there"),
        pytest.param(httpx.Response(200, headers={"Content-Length": "8"}), id="false size"),
        pytest.param(UpstreamError("late", maybe_done=True), id="registry that fails"),
    ],
)
def test_no_further_blob_is_asked_for_after_a_failure(
    answer: httpx.Response | UpstreamError,
) -> None:
    registry = SlowRegistry(answer)

    async def push() -> None:
        with pytest.raises((RegistryError, UpstreamError)):
            await registry.sizes.verify_declared_sizes(APP, of_blobs(100), ())
        await asyncio.sleep(200 * SECONDS)

    virtual_time.run(push())
    assert registry.asked.total() <= 8


def test_manifest_of_many_blobs_does_not_delay_another_namespace() -> None:
    registry = SlowRegistry()

    async def pushes() -> float:
        large = [
            asyncio.create_task(registry.sizes.verify_declared_sizes(APP, of_blobs(100), ()))
            for _ in range(5)
        ]
        await asyncio.sleep(SECONDS / 2)
        started = asyncio.get_running_loop().time()
        await registry.sizes.verify_declared_sizes(OTHER, of_blobs(1), ())
        took = asyncio.get_running_loop().time() - started
        for push in large:
            push.cancel()
        await asyncio.gather(*large, return_exceptions=True)
        return took

    assert virtual_time.run(pushes()) <= 2 * SECONDS


def test_manifest_that_takes_too_long_is_refused_and_its_repetition_goes_on() -> None:
    registry, manifest = SlowRegistry(), of_blobs(200)

    async def push() -> tuple[RegistryError, float]:
        with pytest.raises(RegistryError, match="all 200 blobs") as refusal:
            await registry.sizes.verify_declared_sizes(APP, manifest, ())
        took = asyncio.get_running_loop().time()
        await registry.sizes.verify_declared_sizes(APP, manifest, ())
        return refusal.value, took

    refusal, took = virtual_time.run(push())
    assert (refusal.status, refusal.retry_after) == (503, 5)
    assert took == pytest.approx(30)
    assert set(registry.answered.values()) == {1}
    assert len(registry.answered) == 200
