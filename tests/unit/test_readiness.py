"""When a replica is not ready, and which requests it decides meanwhile."""

import json

import pytest

from app.api.health import HealthApi
from app.api.metrics import Metrics
from app.cluster.api import ApiError, ForbiddenError
from tests.unit.watched_cluster import STREAMS, Cluster, following, until

DOWN = ApiError(503, "no endpoints available")
LATE = "imagestreams.image.alauda.io: the watch is 60 s behind (limit: 5 s)"


async def test_replica_that_sees_heartbeats_is_ready() -> None:
    async with following(Cluster()) as state:
        await until(lambda: not state.problems())

        assert state.unready() == []


async def test_replica_stays_ready_while_the_image_api_is_down() -> None:
    cluster = Cluster()
    async with following(cluster) as state:
        await until(lambda: not state.problems())
        cluster.failing = DOWN
        cluster.now += 60

        await until(lambda: state.unready() == [] and state.problems() == [LATE])

        cluster.failing = None
        await until(lambda: not state.problems())


@pytest.mark.parametrize("deaf", [True, False])
async def test_replica_without_heartbeats_is_not_ready_while_the_image_api_works(
    deaf: bool,
) -> None:
    cluster = Cluster()
    async with following(cluster) as state:
        await until(lambda: not state.problems())
        cluster.deaf = deaf
        cluster.failing = None if deaf else ForbiddenError(403, "forbidden")
        cluster.now += 60

        assert state.problems() == [LATE]
        assert state.unready() == [LATE]


async def test_replica_that_never_listed_image_streams_is_not_ready() -> None:
    cluster = Cluster()
    cluster.failing = DOWN
    cluster.forbidden.add(STREAMS)
    async with following(cluster, synced=False) as state:
        await until(lambda: any("forbidden" in reason for reason in state.problems()))

        assert state.unready() == state.problems()


async def test_replica_with_a_wrong_clock_is_not_ready_without_the_image_api() -> None:
    cluster = Cluster()
    async with following(cluster) as state:
        await until(lambda: not state.problems())
        cluster.failing = DOWN
        cluster.now += 60
        await until(lambda: state.unready() == [])

        cluster.clock.observe(cluster.now + 100, sent=cluster.now, received=cluster.now)

        assert state.unready()[0].startswith("clock is up to 101.0 s behind")


@pytest.mark.parametrize(
    ("not_ready", "warnings", "code"),
    [
        pytest.param([], [], 200, id="well"),
        pytest.param([], ["late"], 200, id="no replica could do more"),
        pytest.param(["stopping"], [], 503, id="another replica could"),
    ],
)
async def test_readyz_reports_reasons_and_warnings(
    not_ready: list[str], warnings: list[str], code: int
) -> None:
    health = HealthApi(Metrics(), lambda: not_ready, lambda: warnings)

    answer = await health.readyz()

    assert answer.status_code == code
    assert json.loads(bytes(answer.body)) == {
        "ready": code == 200, "reasons": not_ready, "warnings": warnings
    }  # fmt: skip
