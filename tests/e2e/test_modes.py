"""The effect of each mode of a limit, and where users see it, on a real API server."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest

from .apiserver_files import AUDITED_NAMESPACES
from .cluster import Cluster
from .domain import API, DOMAIN
from .observed import becomes, used
from .replicas import Replicas

pytestmark = pytest.mark.e2e

WOULD = "exceeded quota: image-registry-quota, requested: "


@pytest.fixture(scope="module", autouse=True)
def namespaces(cluster: Cluster, replicas: Replicas) -> Iterator[None]:
    """A namespace for each mode, with one ImageStream and an enforced quota of one."""
    for name in AUDITED_NAMESPACES:
        cluster.kubectl("create", "namespace", name)
        limit(cluster, name)
        assert push(cluster, name, "first").returncode == 0
    yield
    cluster.kubectl("delete", "namespace", *AUDITED_NAMESPACES, "--wait=false")


def limit(cluster: Cluster, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "image-registry-quota", "namespace": namespace},
        "spec": {"hard": {API.imagestreams: "1"}},
    }
    cluster.kubectl("create", "--filename=-", input=json.dumps(quota))


def annotate(cluster: Cluster, namespace: str, mode: str) -> None:
    cluster.kubectl(
        "-n", namespace, "annotate", "--overwrite", "resourcequota", "image-registry-quota",
        f"{API.mode_annotation}={mode}",
    )  # fmt: skip


def push(
    cluster: Cluster, namespace: str, name: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    stream = {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": namespace},
    }
    text = json.dumps(stream)
    return cluster.kubectl("create", *flags, "--filename=-", input=text, check=False)


async def set_mode(cluster: Cluster, namespace: str, mode: str) -> None:
    """Give the limit a mode, and return when the service decides by it.

    It is enforced first, because mode `audit` looks to kubectl like no limit.
    """
    for each in ("enforce", mode):
        annotate(cluster, namespace, each)
        await _decided_as(cluster, namespace, each)


async def _decided_as(cluster: Cluster, namespace: str, mode: str) -> None:
    def seen() -> tuple[int, bool]:
        tried = push(cluster, namespace, "tried", "--dry-run=server")
        return tried.returncode, "Warning: would be refused" in tried.stderr

    await becomes(mode, seen, (int(mode == "enforce"), mode == "warn"))


def annotations(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """Audit annotations of the service on the creation of an ImageStream."""
    whole = cluster.audit_log.read_text().rpartition("\n")[0]
    events = map(json.loads, whole.splitlines())
    [found] = [
        event["annotations"]
        for event in events
        if event["verb"] == "create"
        and event["objectRef"].get("namespace") == namespace
        and event["objectRef"].get("name", name) == name
        and event["objectRef"]["resource"] == "imagestreams"
        and "dryRun" not in event["requestURI"]
        and any(key.endswith("/would-refuse") for key in event.get("annotations", {}))
    ]
    return {key.rpartition("/")[2]: value for key, value in found.items()}


def events(cluster: Cluster, namespace: str) -> str:
    path = "--output=jsonpath={.items[*].message}"
    return cluster.kubectl("-n", namespace, "get", "events", path).stdout


def counted(replicas: Replicas, mode: str) -> float:
    [replica] = replicas.running
    labels = f'registry_admission_would_refuse_total{{mode="{mode}",reason="QuotaExceeded"}}'
    lines = [line for line in replica.metrics().splitlines() if line.startswith(labels)]
    return sum(float(line.split()[-1]) for line in lines)


@pytest.mark.parametrize("mode", ["warn", "audit"])
async def test_a_push_passes_a_limit_that_is_not_enforced_and_is_recorded(
    cluster: Cluster, replicas: Replicas, mode: str
) -> None:
    namespace = f"mode-{mode}"
    await set_mode(cluster, namespace, mode)
    before = counted(replicas, mode)

    pushed = await asyncio.to_thread(push, cluster, namespace, "second")

    assert pushed.returncode == 0
    assert (f"Warning: would be refused: {WOULD}" in pushed.stderr) is (mode == "warn")
    assert pushed.stderr == "" or mode == "warn"
    assert annotations(cluster, namespace, "second")["would-refuse"] == "QuotaExceeded"
    assert counted(replicas, mode) == before + 1
    await becomes("the Event", lambda: WOULD in events(cluster, namespace), True)
    counts = partial(used, cluster, namespace)
    await becomes("status.used", counts, {API.imagestreams: "2"})


async def test_a_push_is_refused_from_the_moment_that_a_limit_is_enforced(
    cluster: Cluster,
) -> None:
    namespace = "mode-enforce"
    await set_mode(cluster, namespace, "enforce")

    refused = await asyncio.to_thread(push, cluster, namespace, "second")

    assert refused.returncode == 1
    assert WOULD in refused.stderr
    await becomes("status.used", partial(used, cluster, namespace), {API.imagestreams: "1"})


async def test_a_namespace_over_an_enforced_limit_admits_requests_that_add_nothing(
    cluster: Cluster,
) -> None:
    namespace = "mode-warn"
    await set_mode(cluster, namespace, "warn")
    assert push(cluster, namespace, "third").returncode == 0
    await set_mode(cluster, namespace, "enforce")

    assert push(cluster, namespace, "fourth").returncode == 1
    changed = cluster.kubectl(
        "-n", namespace, "annotate", f"imagestreams.image.{DOMAIN}", "third", "note=changed"
    )
    assert "annotated" in changed.stdout
