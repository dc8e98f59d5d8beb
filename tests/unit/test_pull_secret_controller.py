"""The pull secret controller with an API server in memory.

tests/e2e runs it with a real API server.
"""

import asyncio
import contextlib
import copy
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest

from app.cluster.api import ApiError, ConflictError
from app.controllers.config import ConfigStatus, ConfigWatch
from app.controllers.metrics import ControllerMetrics, ControllersCollector
from app.controllers.pull_secrets.controller import PullSecretController
from app.controllers.pull_secrets.objects import secret_name
from app.model.domain import ApiDomain
from tests.unit.controlled import OPTIONS
from tests.unit.memory_cluster import CONFIGS, MemoryCluster, nothing


@contextlib.asynccontextmanager
async def at_work(cluster: MemoryCluster) -> AsyncIterator[ControllerMetrics]:
    watch = ConfigWatch(cluster, ApiDomain(), silence=100)
    metrics = ControllerMetrics("pull-secrets")
    status = ConfigStatus(cluster, ApiDomain(), "replica-0")
    controller = PullSecretController(cluster, ApiDomain(), watch, status, OPTIONS, metrics)
    tasks = [asyncio.create_task(job()) for job in (watch.informer.run, controller.run)]
    try:
        yield metrics
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def becomes(read: Callable[[], object], wanted: object) -> None:
    deadline = time.monotonic() + 30
    while (seen := read()) != wanted:
        assert time.monotonic() < deadline, f"{seen}, not {wanted}"
        await asyncio.sleep(0.01)


def secret_paths(cluster: MemoryCluster) -> list[str]:
    return sorted(path for path in cluster.objects if "/secrets/" in path)


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.configure()
    return made


async def test_all_namespaces_settle_and_progress_is_reported(cluster: MemoryCluster) -> None:
    for number in range(50):
        cluster.add_account("team-a", f"app-{number}", "users")
    cluster.add_account("kube-system", "default")

    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 50)

        assert metrics.state == "active"
        assert metrics.results == {"created": 50, "injected": 50}
        assert metrics.progress().earliest_expiry > time.time() + 3500
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in ControllersCollector([metrics]).collect()
            for sample in family.samples
        }
        prefix = "registry_admission_controller"
        assert samples[f"{prefix}_objects", "pull-secrets", "settled"] == 50
        assert samples[f"{prefix}_reconciles_total", "pull-secrets", "created"] == 50
        assert samples[f"{prefix}_state", "pull-secrets", "active"] == 1
    assert len(secret_paths(cluster)) == 50
    assert metrics.state == "waiting", "another replica may lead now"


async def test_a_restart_writes_nothing(cluster: MemoryCluster) -> None:
    cluster.add_account("team-a", "app")
    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 1)
    await becomes(lambda: "status" in cluster.objects[f"{CONFIGS}/cluster"], True)
    before = list(cluster.requests)

    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 1)
        await becomes(lambda: metrics.progress().depth, 0)

    assert cluster.requests == before


async def test_tokens_are_bound_to_their_secret_and_kept_out_of_the_log(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    cluster.add_account("team-a", "app")

    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 1)

    [path] = secret_paths(cluster)
    content = cluster.objects[path]
    assert path.endswith(secret_name("team-a", "app"))
    assert content["metadata"]["ownerReferences"][0]["kind"] == "ServiceAccount"
    assert content["data"][".dockerconfigjson"] not in caplog.text
    assert "token-" not in caplog.text


async def test_repairs_of_a_contested_object_slow_down(cluster: MemoryCluster) -> None:
    cluster.add_account("team-a", "app")
    path = "/api/v1/namespaces/team-a/serviceaccounts/app"

    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 1)
        for _ in range(2):
            cluster.add_account("team-a", "app")
            await becomes(lambda: len(cluster.objects[path]["imagePullSecrets"]), 1)
        written = len(cluster.requests)
        cluster.add_account("team-a", "app")
        await becomes(lambda: metrics.progress().pending, 1)
        await becomes(lambda: metrics.progress().depth, 0)

        assert len(cluster.requests) == written, "the next repair comes later"
        assert metrics.progress().pending == 1


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (ApiError(403, "namespace team-a is being terminated"), "terminating"),
        (ApiError(500, "etcd is slow"), "error"),
        (ConflictError(409, "modified"), "conflict"),
    ],
)
async def test_refused_write_does_not_delay_others(
    cluster: MemoryCluster, error: ApiError, result: str
) -> None:
    cluster.refuse = lambda path: error if path.endswith("/app-0/token") else None
    for number in range(10):
        cluster.add_account("team-a", f"app-{number}")

    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 9)
        await becomes(lambda: metrics.results[result] > 0, True)

        assert metrics.progress().pending == 1


async def test_nothing_is_left_behind_when_pull_secrets_are_removed(cluster: MemoryCluster) -> None:
    for number in range(10):
        cluster.add_account("team-a", f"app-{number}", "users")
    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.progress().settled, 10)

        cluster.configure(managementState="Removed")
        await becomes(lambda: secret_paths(cluster), [])

    named = {
        json.dumps(one["imagePullSecrets"])
        for path, one in cluster.objects.items()
        if "/serviceaccounts/" in path
    }
    assert named == {'[{"name": "users"}]'}


async def test_foreign_conditions_are_kept(cluster: MemoryCluster) -> None:
    path = f"{CONFIGS}/cluster"
    others = {"type": "Available", "status": "True"}
    config = copy.deepcopy(cluster.objects[path])
    config["metadata"]["annotations"] = {
        "imageregistry.operator.alauda.io/pull-secrets-owner": "operator"
    }
    cluster.keep(path, {**config, "status": {"conditions": [others]}})
    cluster.add_account("team-a", "app")

    async with at_work(cluster) as metrics:
        await becomes(lambda: metrics.state, "off")
        await becomes(lambda: len(cluster.objects[path]["status"]["conditions"]), 2)

    first, ours = cluster.objects[path]["status"]["conditions"]
    assert first == others
    assert (ours["type"], ours["status"], ours["reason"]) == (
        "PullSecretsManaged",
        "False",
        "OtherOwner",
    )
    assert secret_paths(cluster) == []
    events = [one for key, one in cluster.objects.items() if "/events/" in key]
    assert [event["involvedObject"]["kind"] for event in events] == ["Config"]


async def test_event_replaces_a_forbidden_status_update(cluster: MemoryCluster) -> None:
    path = f"{CONFIGS}/cluster"
    config = copy.deepcopy(cluster.objects[path])
    owner = "imageregistry.operator.alauda.io/pull-secrets-owner"
    config["metadata"]["annotations"] = {owner: "operator"}
    cluster.keep(path, config)
    cluster.refuse = lambda at: ApiError(403, "forbidden") if at.endswith("/status") else None

    async with at_work(cluster):
        await becomes(lambda: sum("/events/" in key for key in cluster.objects), 1)
        cluster.refuse = nothing
        cluster.configure()
        await becomes(lambda: "status" in cluster.objects[path], True)

    assert sum("/events/" in key for key in cluster.objects) == 1, "told once"
