"""`usage` and `audit` on a cluster: stored objects, pushes in flight, and missing rights."""

import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import commands
from .cluster import Cluster
from .domain import DOMAIN
from .image_api import ImageApi
from .observed import becomes
from .pushes import Push, Pusher
from .replicas import NAMESPACE as SERVICE
from .replicas import Replicas
from .stored_streams import image_event, store_stream

pytestmark = pytest.mark.e2e

TEAM = "reports"
# A custom resource cannot be named sha256:…, so that the images are called otherwise here.
SMALL, LARGE = f"sha256-{'a' * 64}", f"sha256-{'b' * 64}"


def image(name: str, size: int) -> dict[str, Any]:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "Image",
        "metadata": {"name": name},
        "dockerImageMetadata": {"Size": size},
    }


@pytest.fixture(scope="module", autouse=True)
def team(cluster: Cluster) -> Iterator[None]:
    """A namespace with a quota, and a stream of two tags."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "image-registry-quota", "namespace": TEAM},
        "spec": {"hard": {f"{DOMAIN}/image-tags": "4"}},
    }
    objects = [namespace, quota, image(SMALL, 5 * 2**20), image(LARGE, 50 * 2**20)]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    tags = {
        "v1": [image_event(SMALL, "2026-02-01T00:00:00Z")],
        "v2": [image_event(LARGE, "2026-01-01T00:00:00Z")],
    }
    store_stream(cluster, TEAM, "app", tags)
    yield
    cluster.kubectl("delete", "namespace", TEAM, "--wait=false")
    cluster.kubectl("delete", f"images.image.{DOMAIN}", SMALL, LARGE)


@pytest.fixture
async def image_api(cluster: Cluster, tmp_path: Path) -> AsyncIterator[ImageApi]:
    """The service, with an Image API that stores no admitted request."""
    running = ImageApi(cluster, delay=None)
    await running.start()
    with Replicas(cluster, tmp_path, 1):
        yield running
    await running.stop()
    cluster.kubectl("-n", SERVICE, "delete", "configmaps", "-l", "registry-admission/ledger")


def usage(cluster: Cluster, *arguments: str) -> dict[str, Any]:
    answer = commands.run(cluster, "usage", "-n", TEAM, "-o", "json", *arguments)
    assert answer.returncode == 0, answer.stderr
    [row] = json.loads(answer.stdout)["items"]
    found: dict[str, Any] = row
    return found


def tags(row: dict[str, Any]) -> dict[str, Any]:
    """The line of the namespace's tags."""
    [found] = [level for level in row["totals"] if level["resource"] == f"{DOMAIN}/image-tags"]
    return dict(found)


def test_usage_shows_counts_and_sizes(cluster: Cluster) -> None:
    row = usage(cluster)
    assert tags(row) == {
        "resource": f"{DOMAIN}/image-tags", "used": 2, "inFlight": 0, "hard": 4, "left": 2,
        "limitedBy": "ResourceQuota image-registry-quota",
    }  # fmt: skip
    assert row["largest"] == [
        {"digest": LARGE, "bytes": 50 * 2**20, "tags": ["app:v2"]},
        {"digest": SMALL, "bytes": 5 * 2**20, "tags": ["app:v1"]},
    ]


async def test_usage_counts_a_push_in_flight(cluster: Cluster, image_api: ImageApi) -> None:
    [answer] = await Pusher(cluster).push([Push(TEAM, "app", "v3")])
    assert answer.admitted, answer.message
    row = usage(cluster)
    assert row["pushesInFlight"] == 1
    assert (tags(row)["used"], tags(row)["inFlight"], tags(row)["left"]) == (2, 1, 1)
    summary = commands.run(cluster, "usage", TEAM).stderr
    assert summary == "1 namespace: 0 over a limit, 1 push in flight.\n"


def test_usage_of_the_cluster_leaves_out_the_heartbeat(
    cluster: Cluster, image_api: ImageApi
) -> None:
    """The heartbeat is an ImageStream of the service itself. Other tests may have left pushes in
    flight, so that the sum over all namespaces is not looked at."""
    rows = [line.split()[0] for line in commands.run(cluster, "usage").stdout.splitlines()]
    assert TEAM in rows
    assert SERVICE not in rows


@contextmanager
def watching(cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """`usage --watch`: the rows that it has printed, the latest last."""
    command = [sys.executable, "-m", "app", "usage", "-n", TEAM, "-o", "json", "--watch"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=commands.environment(cluster.kubeconfig)
    )
    rows: list[dict[str, Any]] = []
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")

    def read() -> None:
        text = ""
        for line in lines:
            text += line
            if line == "}\n":
                rows.extend(json.loads(text)["items"])
                text = ""

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield rows
    finally:
        process.kill()
        process.wait()
        reader.join()


async def test_usage_watch_shows_a_new_push(cluster: Cluster, image_api: ImageApi) -> None:
    with watching(cluster) as rows:
        await becomes("the first row", lambda: len(rows) > 0, True)
        assert tags(rows[0])["inFlight"] == 0
        [answer] = await Pusher(cluster).push([Push(TEAM, "app", "v4")])
        assert answer.admitted, answer.message
        await becomes("a push in flight", lambda: tags(rows[-1])["inFlight"], 1)


def test_tenant_sees_the_own_namespace_and_a_note_on_hidden_data(
    cluster: Cluster, tmp_path: Path
) -> None:
    rights = [
        {"apiGroups": [""], "resources": ["limitranges", "resourcequotas"], "verbs": ["list"]},
        {"apiGroups": [f"image.{DOMAIN}"], "resources": ["imagestreams"], "verbs": ["list"]},
    ]
    metadata = {"name": "tenant", "namespace": TEAM}
    rbac = "rbac.authorization.k8s.io"
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rights},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "tenant"},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    kubeconfig = cluster.account_kubeconfig(tmp_path / "tenant", TEAM, "tenant")

    answer = commands.run(cluster, "usage", "-n", TEAM, kubeconfig=kubeconfig)

    assert answer.returncode == 0, answer.stderr
    assert "image-registry-quota" in answer.stdout
    assert "Note: reservations in flight are not readable: " in answer.stderr
    assert "Note: image sizes are not readable: " in answer.stderr
    elsewhere = commands.run(cluster, "usage", kubeconfig=kubeconfig)
    assert elsewhere.returncode == 3
    assert "forbidden" in elsewhere.stderr


def proposal(tags: int) -> str:
    """A LimitRange for the team."""
    limits = [
        {"type": f"{DOMAIN}/Image", "max": {"storage": "10Mi"}},
        {"type": f"{DOMAIN}/ImageStream", "max": {f"{DOMAIN}/image-tags": str(tags)}},
    ]
    metadata = {"name": "image-registry-limits", "namespace": TEAM}
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
    )


def test_an_audit_of_proposed_limits(cluster: Cluster) -> None:
    assert commands.run(cluster, "audit", "-n", TEAM).returncode == 0
    answer = commands.run(
        cluster, "audit", "-n", TEAM, "-o", "json", "--proposed", "-", stdin=proposal(1)
    )
    assert answer.returncode == 1, answer.stderr
    [report] = json.loads(answer.stdout)["items"]
    over = [(level["kind"], level["name"], level["severity"]) for level in report["over"]]
    assert over == [("Image", LARGE, "high"), ("ImageStream", "app", "high")]
    assert report["over"][0]["tags"] == ["app:v2"]
    assert [tag["tag"] for tag in report["oldest"]] == ["app:v2", "app:v1"]


def test_policy_reports_that_the_cluster_takes(cluster: Cluster) -> None:
    chosen = ("audit", "-n", TEAM, "-o", "policyreport", "--proposed", "-")
    for tags, failures in ((1, "2"), (9, "1")):
        answer = commands.run(cluster, *chosen, "--apply", stdin=proposal(tags))
        assert answer.returncode == 1, answer.stderr
        assert "1 of 1 PolicyReports applied." in answer.stderr
        stored = cluster.kubectl(
            "-n", TEAM, "get", "policyreports", "-o", "jsonpath={.items[*].summary.fail}"
        )
        assert stored.stdout == failures
    printed = commands.run(cluster, *chosen, stdin=proposal(1)).stdout
    cluster.kubectl("apply", "--validate=strict", "--dry-run=server", "-f", "-", input=printed)


def test_unreachable_cluster_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    answer = commands.run(cluster, "audit", "--kubeconfig", str(tmp_path / "none"))
    assert answer.returncode == 3
    assert f"Error: there is no kubeconfig {tmp_path / 'none'}" in answer.stderr
