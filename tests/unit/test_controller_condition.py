"""The condition of a controller in the status of Config/cluster, and the Events about it."""

import copy

import pytest

from app.cluster.api import Content
from app.controllers.config import Condition, ConfigStatus, ConfigWatch
from app.model.domain import ApiDomain
from tests.unit.memory_cluster import CONFIGS, MemoryCluster

CONFIG = f"{CONFIGS}/cluster"
LONG_AGO = "2020-01-01T00:00:00Z"


def condition(*, active: bool, message: str = "M") -> Condition:
    return Condition(
        "PullSecretsManaged", active, "AsExpected" if active else "OtherOwner", message
    )


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.configure()
    return made


async def tell(cluster: MemoryCluster, told: Condition, status: ConfigStatus | None = None) -> None:
    """Write a condition, by default from a replica that has just started."""
    watch = ConfigWatch(cluster, ApiDomain(), silence=100)
    watch.put(("", "cluster"), copy.deepcopy(cluster.objects[CONFIG]))
    await (status or ConfigStatus(cluster, ApiDomain(), "replica-1")).tell(told, watch)


def written(cluster: MemoryCluster) -> Content:
    [found] = cluster.objects[CONFIG]["status"]["conditions"]
    return dict(found)


@pytest.mark.parametrize(
    ("told", "events"),
    [
        pytest.param([True], [], id="works from the start"),
        pytest.param([False], ["Warning"], id="off from the start"),
        pytest.param([True, False], ["Warning"], id="turned off"),
        pytest.param([False, True], ["Warning", "Normal"], id="turned on again"),
        pytest.param([False, False], ["Warning"], id="still off"),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
async def test_event_tells_that_a_controller_turned_off_or_on(
    cluster: MemoryCluster, told: list[bool], events: list[str], restarts: bool
) -> None:
    status = ConfigStatus(cluster, ApiDomain(), "replica-0")
    for active in told:
        await tell(cluster, condition(active=active), None if restarts else status)

    found = [one["type"] for path, one in cluster.objects.items() if "/events/" in path]
    assert found == events


@pytest.mark.parametrize(("active", "is_kept"), [(True, True), (False, False)])
async def test_time_of_a_condition_changes_with_its_status_only(
    cluster: MemoryCluster, active: bool, is_kept: bool
) -> None:
    await tell(cluster, condition(active=True))
    config = copy.deepcopy(cluster.objects[CONFIG])
    config["status"]["conditions"][0]["lastTransitionTime"] = LONG_AGO
    cluster.keep(CONFIG, config)

    await tell(cluster, condition(active=active, message="another"))

    assert written(cluster)["message"] == "another"
    assert (written(cluster)["lastTransitionTime"] == LONG_AGO) is is_kept
