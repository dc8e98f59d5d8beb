"""a and e: creates under this service's quota against the API server's own, on one API server.

The own quota counts in the API server's process (`count/imagestreams...`); ours is a webhook with
one or three replicas and a ledger written with compare-and-swap. All creates go to one namespace.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

from benchmarks.load import Client, Timing
from tests.e2e.cluster import Cluster, build_tools
from tests.e2e.replicas import Replicas

_CLIENTS = (1, 16, 64)
_REQUESTS = 640
_ROUNDS = 3
_QUOTA = """\
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {{name: quota, namespace: {namespace}}}
spec: {{hard: {{{name}: "1000000"}}}}
"""
_STREAM = b"""\
{"apiVersion": "image.alauda.io/v1", "kind": "ImageStream", "metadata": {"generateName": "s-"}}"""


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "cluster"
        folder.mkdir()
        cluster = Cluster(build_tools(), folder)
        cluster.start()
        try:
            cluster.install_crds()
            cluster.start_controller_manager()
            for replicas in (1, 3):
                _measure(cluster, Path(temporary) / f"{replicas}-replicas", replicas)
        finally:
            cluster.stop()


def _measure(cluster: Cluster, folder: Path, count: int) -> None:
    folder.mkdir()
    own, ours = f"own-{count}", f"ours-{count}"
    names = {own: "count/imagestreams.image.alauda.io", ours: "alauda.io/imagestreams"}
    for namespace, name in names.items():
        manifest = _QUOTA.format(namespace=namespace, name=name)
        cluster.kubectl("apply", "-f", "-", input=manifest)
    with Replicas(cluster, folder, count, excluded=[own], direct=count == 1):
        for namespace, name in names.items():
            _wait_until_counted(cluster, namespace, name)
        for clients in _CLIENTS:
            asyncio.run(_compare(cluster, own, ours, count, clients))


def _wait_until_counted(cluster: Cluster, namespace: str, name: str) -> None:
    """The quota controller takes a while to find out about new kinds."""
    for _ in range(120):
        quota = cluster.kubectl("-n", namespace, "get", "quota", "quota", "-o", "json")
        if name in json.loads(quota.stdout).get("status", {}).get("used", {}):
            return
        time.sleep(1)
    raise TimeoutError(f"{name} is not counted in {namespace}")


async def _compare(cluster: Cluster, own: str, ours: str, replicas: int, clients: int) -> None:
    port = int(cluster.url.rpartition(":")[2])
    times: dict[str, list[float]] = {own: [], ours: []}
    elapsed = {own: 0.0, ours: 0.0}
    for _ in range(_ROUNDS):
        for namespace in times:
            path = f"/apis/image.alauda.io/v1/namespaces/{namespace}/imagestreams"
            client = Client(port, cluster.ca_file, path, _STREAM, cluster.token)
            started = time.perf_counter()
            times[namespace] += await client.run(clients, _REQUESTS)
            elapsed[namespace] += time.perf_counter() - started
    results = {name: Timing.of(times[name], elapsed[name]) for name in times}
    for name, timing in results.items():
        print(
            f"{replicas} replicas {clients:2} clients  {name:7} p50 {timing.p50 * 1e3:7.1f} ms  "
            f"p99 {timing.p99 * 1e3:7.1f} ms  {timing.per_second:6.0f}/s"
        )
    ratio = results[ours].per_second / results[own].per_second
    print(f"{replicas} replicas {clients:2} clients  throughput ours / own: {ratio:.2f}")


if __name__ == "__main__":
    main()
