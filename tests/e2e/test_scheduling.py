"""The overlay `ha` with the real scheduler, on nodes of which some take no Pods."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.patience import PATIENCE

from .cluster import Cluster, build_tools
from .fake_nodes import FakeNodes
from .overlays import NAMESPACE, apply, overlay

pytestmark = pytest.mark.e2e

DEPLOYMENT = "deployment/registry-admission"
IN_NAMESPACE = f"--namespace={NAMESPACE}"
_CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "disruption-controller",
    "node-lifecycle-controller",
)


@pytest.fixture(scope="module")
def scheduling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with a scheduler; only the workload and its rights are installed."""
    with Cluster(build_tools(), tmp_path_factory.mktemp("scheduling")) as running:
        running.start_controller_manager(*_CONTROLLERS, flags=["--node-monitor-grace-period=1h"])
        running.start_scheduler()
        yield running


@pytest.fixture
def nodes(scheduling: Cluster) -> Iterator[FakeNodes]:
    with FakeNodes(scheduling, NAMESPACE) as running:
        yield running
        scheduling.kubectl("delete", DEPLOYMENT, IN_NAMESPACE, "--ignore-not-found")
        deadline = time.monotonic() + PATIENCE
        while running.pods():
            assert time.monotonic() < deadline
            time.sleep(0.2)


def install(cluster: Cluster) -> None:
    kinds = ("Namespace", "ServiceAccount", "Deployment", "PodDisruptionBudget")
    apply(cluster, [one for one in overlay(cluster, "ha") if one["kind"] in kinds])
    rolled_out(cluster)


def rolled_out(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "status", DEPLOYMENT, IN_NAMESPACE, "--timeout=120s")


def spread(nodes: FakeNodes) -> list[int]:
    """The number of Pods on each node that has any, in ascending order."""
    return sorted(Counter(map(node_of, staying(nodes))).values())


def staying(nodes: FakeNodes) -> list[dict[str, Any]]:
    """The Pods that are not being deleted."""
    return [pod for pod in nodes.pods() if "deletionTimestamp" not in pod["metadata"]]


def node_of(pod: dict[str, Any]) -> str:
    name: str = pod["spec"]["nodeName"]
    return name


@pytest.mark.parametrize(
    ("workers", "control_planes", "cordoned", "expected"),
    [
        (1, 0, 0, [3]),
        (2, 0, 0, [1, 2]),
        (3, 0, 0, [1, 1, 1]),
        (2, 1, 0, [1, 2]),
        (1, 3, 0, [3]),
        (3, 0, 1, [1, 2]),
        (2, 0, 1, [3]),
    ],
)
def test_replicas_are_spread_over_the_nodes_that_take_them_and_updates_end(
    scheduling: Cluster,
    nodes: FakeNodes,
    workers: int,
    control_planes: int,
    cordoned: int,
    expected: list[int],
) -> None:
    for number in range(control_planes):
        nodes.add(f"control-plane-{number}", control_plane=True)
    for number in range(workers):
        nodes.add(f"worker-{number}")
    for number in range(cordoned):
        scheduling.kubectl("cordon", f"worker-{number}")
        scheduling.kubectl(
            "wait", "--for=jsonpath={.spec.taints[*].key}=node.kubernetes.io/unschedulable",
            f"node/worker-{number}",
        )  # fmt: skip

    install(scheduling)
    assert spread(nodes) == expected

    scheduling.kubectl("rollout", "restart", DEPLOYMENT, IN_NAMESPACE)
    rolled_out(scheduling)
    assert sum(spread(nodes)) == 3


def test_a_drain_of_one_of_two_nodes_ends(scheduling: Cluster, nodes: FakeNodes) -> None:
    for name in ("worker-0", "worker-1"):
        nodes.add(name)
    install(scheduling)

    scheduling.kubectl("drain", "worker-0", "--delete-emptydir-data", "--timeout=120s")

    rolled_out(scheduling)
    assert set(map(node_of, staying(nodes))) == {"worker-1"}
