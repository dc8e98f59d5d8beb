"""Limits that are converted and applied decide as the legacy gateway of the cluster did."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.legacy_gateway import CONFIG_MAP, LOOSER, NAMESPACES, SAME, gateway_allows

from . import commands
from .cluster import Cluster
from .domain import DOMAIN
from .pushes import Push, Pusher
from .replicas import Replicas

pytestmark = pytest.mark.e2e

LIMITS = "limitrange/image-registry-limits"


@pytest.fixture(scope="module", autouse=True)
def gateway(cluster: Cluster) -> Iterator[None]:
    """The legacy ConfigMap and the namespaces that it has limits for."""
    namespaces = ["cpaas-system", *NAMESPACES]
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces
    ]
    text = yaml.safe_dump_all([*objects, yaml.safe_load(CONFIG_MAP)])
    cluster.kubectl("apply", "-f", "-", input=text)
    yield
    cluster.kubectl("delete", "namespace", *namespaces, "--wait=false")


def convert(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    chosen = ("--from-cluster", "--namespaces", ",".join(NAMESPACES))
    return commands.run(cluster, "convert", *chosen, *arguments)


def limits(cluster: Cluster, namespace: str) -> str:
    path = "jsonpath={.spec.limits[*].max}"
    return cluster.kubectl("get", LIMITS, "-n", namespace, "-o", path, check=False).stdout


def test_a_dry_run_on_the_server_leaves_no_trace(cluster: Cluster) -> None:
    answer = convert(cluster, "--dry-run=server", "--tags-per-namespace", "5")
    assert answer.returncode == 1, answer.stderr
    assert "22 of 22 objects would be applied." in answer.stderr
    assert limits(cluster, "team-a") == ""


def test_printed_objects_can_be_applied_with_kubectl(cluster: Cluster) -> None:
    printed = convert(cluster).stdout
    cluster.kubectl("apply", "-f", "-", input=printed)
    assert limits(cluster, "team-a") == f'{{"storage":"100Mi"}} {{"{DOMAIN}/image-tags":"3"}}'
    cluster.kubectl("delete", "-f", "-", input=printed)


def test_applying_again_changes_nothing(cluster: Cluster) -> None:
    assert convert(cluster, "--apply").returncode == 1
    assert convert(cluster, "--apply").returncode == 1
    raised = f'{{"spec":{{"limits":[{{"type":"{DOMAIN}/Image","max":{{"storage":"9Gi"}}}}]}}}}'
    cluster.kubectl("patch", LIMITS, "-n", "red", "--type=merge", "-p", raised)

    answer = convert(cluster, "--apply")

    assert answer.returncode == 1
    assert "Failed: LimitRange red/image-registry-limits" in answer.stderr
    assert "10 of 11 objects would be applied; nothing was written." in answer.stderr
    assert limits(cluster, "red") == '{"storage":"9Gi"}'
    cluster.kubectl("delete", LIMITS, "-n", "red")


def stream(push: Push, tags: int) -> dict[str, object]:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStream",
        "metadata": {"name": push.stream, "namespace": push.namespace},
        "spec": {"tags": [{"name": f"tag-{i}"} for i in range(tags)]},
    }


async def test_pushes_keep_their_verdict_or_become_allowed_as_reported(
    cluster: Cluster, tmp_path: Path
) -> None:
    # Cases share repositories, but each has its own number of tags: each gets its own stream.
    cases = {
        Push(case.namespace, f"{case.stream}.{number}", "new", case.bytes): case
        for number, case in enumerate([*SAME, *LOOSER])
    }
    streams = (stream(push, case.tags) for push, case in cases.items())
    cluster.kubectl("create", "-f", "-", input=yaml.dump_all(streams, Dumper=yaml.CSafeDumper))

    with Replicas(cluster, tmp_path, 1) as replicas:
        # The service reviews the limits as well.
        assert convert(cluster, "--apply").returncode == 1
        for namespace in NAMESPACES:
            await asyncio.to_thread(replicas.wait_until_limited, namespace, 1000)
        answers = await Pusher(cluster).push(cases)

    assert {answer.code for answer in answers} == {201, 403}
    wrong = {
        str(case): answer.message
        for answer in answers
        if (case := cases[answer.push])
        and answer.admitted is not (gateway_allows(case) or case in LOOSER)
    }
    assert wrong == {}
