"""Reads limits and use from the cluster, and waits until they settle."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial

from tests import page
from tests.patience import PATIENCE

from .cluster import Cluster
from .domain import DOMAIN, in_domain


def quota(namespace: str, name: str, value: int, domain: str = DOMAIN) -> str:
    return (
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n"
        f"apiVersion: v1\nkind: ResourceQuota\n"
        f"metadata: {{name: image-registry-quota, namespace: {namespace}}}\n"
        f"spec: {{hard: {{{domain}/{name}: '{value}', pods: '7'}}}}\n"
    )


def used(cluster: Cluster, namespace: str) -> dict[str, str]:
    answer = cluster.kubectl(
        "-n", namespace, "get", "resourcequota", "image-registry-quota", "-o", "json"
    )
    counts: dict[str, str] = json.loads(answer.stdout).get("status", {}).get("used", {})
    return counts


def stored_tags(cluster: Cluster, namespace: str, domain: str = DOMAIN) -> int:
    streams_of = f"imagestreams.image.{domain}"
    answer = cluster.kubectl("-n", namespace, "get", streams_of, "-o", "json")
    streams = json.loads(answer.stdout)["items"]
    return sum(len(stream.get("status", {}).get("tags", [])) for stream in streams)


def limits_of_the_page(cluster: Cluster, namespace: str) -> None:
    """Applies the limits that Registry v2's page has as its examples."""
    for text in page.examples()[4:6]:
        manifest = in_domain(text).replace("namespace: team-a", f"namespace: {namespace}")
        cluster.kubectl("apply", "-f", "-", input=manifest)


async def becomes(what: str, read: Callable[[], object], wanted: object) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while (seen := await asyncio.to_thread(read)) != wanted:
        assert time.monotonic() < deadline, f"{what}: {seen}, not {wanted}"
        await asyncio.sleep(0.2)


async def tells_the_truth(
    cluster: Cluster, namespace: str, tags: int, domain: str = DOMAIN
) -> None:
    """Wait until `kubectl describe quota` shows the stored counts."""
    counts = {f"{domain}/image-tags": str(tags), "pods": "0"}
    stored = partial(stored_tags, cluster, namespace, domain)
    await becomes(f"tags of {namespace}", stored, tags)
    # A leader that was killed keeps its Lease for a while.
    await becomes(f"status of {namespace}", partial(used, cluster, namespace), counts)


def reserved(cluster: Cluster, namespace: str) -> int:
    """The number of reservations of a namespace that no replica has seen stored."""
    answer = cluster.kubectl(
        "-n", "registry-admission", "get", "configmap", f"ledger-{namespace}",
        "-o", "jsonpath={.data.reservations}", "--ignore-not-found",
    )  # fmt: skip
    return len(json.loads(answer.stdout or "[]"))
