"""A heartbeat is believed, and written, only by the right time."""

import asyncio

import pytest

from app.cluster.clock import ServerClock
from app.cluster.heartbeat import NAME, Heartbeat
from tests.unit.kube import FakeKube

NOW = 1_800_000_000.0
OWN = "registry-admission"


def heartbeat(api: FakeKube) -> Heartbeat:
    return Heartbeat(api, group="image.alauda.io", namespace=OWN, max_error=2, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        pytest.param(NOW - 1, NOW - 1, id="just written"),
        pytest.param(NOW + 3, NOW + 3, id="by a clock that may be as wrong as ours"),
        pytest.param(NOW + 3600, 0, id="by a clock that is wrong"),
        pytest.param("soon", 0, id="by hand"),
    ],
)
def test_a_heartbeat_from_the_future_proves_nothing(written: object, seen: float) -> None:
    subject = heartbeat(FakeKube(NOW))

    annotation = f"{NAME}.image.alauda.io/time"
    subject.see({"metadata": {"annotations": {annotation: str(written)}}})

    assert subject.seen_at == seen


@pytest.mark.parametrize(
    ("server_time", "writes"),
    [
        pytest.param(None, 0, id="not compared yet"),
        pytest.param(NOW + 60, 0, id="wrong"),
        pytest.param(NOW, 1, id="right"),
    ],
)
async def test_replica_without_server_time_writes_no_heartbeat(
    server_time: float | None, writes: int
) -> None:
    api = FakeKube(NOW)
    api.clock = ServerClock()
    if server_time is not None:
        api.clock.observe(server_time, sent=NOW, received=NOW)

    running = asyncio.create_task(heartbeat(api).run())
    await asyncio.sleep(0.1)
    running.cancel()

    assert len(api.writes) == writes
