"""a and e: creates under this service's quota against the API server's own, on one API server.

The own quota counts in the API server's process (`count/imagestreams...`); ours is a webhook with
one or three replicas and a ledger written with compare-and-swap. In the third namespace nothing is
limited: what a webhook costs that has nothing to count. All creates of a round go to one namespace.
"""

import asyncio
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Client, Timing
from benchmarks.processes import cpu_seconds
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
    own, free, ours = f"own-{count}", f"free-{count}", f"ours-{count}"
    names = {own: "count/imagestreams.image.alauda.io", ours: "alauda.io/imagestreams"}
    for namespace, name in names.items():
        manifest = _QUOTA.format(namespace=namespace, name=name)
        cluster.kubectl("apply", "-f", "-", input=manifest)
    cluster.kubectl("create", "namespace", free)
    with Replicas(cluster, folder, count, excluded=[own], direct=count == 1) as replicas:
        for namespace, name in names.items():
            _wait_until_counted(cluster, namespace, name)
        pids = {name: cluster.pid(name) for name in ("kube-apiserver", "etcd")}
        pids |= {f"replica {n}": one.process.pid for n, one in enumerate(replicas.running)}
        for clients in _CLIENTS:
            asyncio.run(_compare(cluster, (own, free, ours), pids, clients))


def _wait_until_counted(cluster: Cluster, namespace: str, name: str) -> None:
    """The quota controller takes a while to find out about new kinds."""
    for _ in range(120):
        quota = cluster.kubectl("-n", namespace, "get", "quota", "quota", "-o", "json")
        if name in json.loads(quota.stdout).get("status", {}).get("used", {}):
            return
        time.sleep(1)
    raise TimeoutError(f"{name} is not counted in {namespace}")


@dataclass
class _Way:
    """What the creates into one namespace took, in seconds."""

    times: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By process."""

    async def measure(self, client: Client, clients: int, pids: dict[str, int]) -> None:
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        started = time.perf_counter()
        self.times += await client.run(clients, _REQUESTS)
        self.elapsed += time.perf_counter() - started
        for name, pid in pids.items():
            self.cpu[name] += cpu_seconds(pid) - before[name]

    @property
    def per_second(self) -> float:
        return len(self.times) / self.elapsed

    def __str__(self) -> str:
        timing = Timing.of(self.times, self.elapsed)
        spent = (f"{name} {cpu / len(self.times) * 1e3:.2f}" for name, cpu in self.cpu.items())
        return (
            f"p50 {timing.p50 * 1e3:7.1f} ms  p99 {timing.p99 * 1e3:7.1f} ms  "
            f"{timing.per_second:6.0f}/s  CPU ms per create: {', '.join(spent)}"
        )


async def _compare(
    cluster: Cluster, namespaces: Sequence[str], pids: dict[str, int], clients: int
) -> None:
    port = int(cluster.url.rpartition(":")[2])
    ways = {namespace: _Way() for namespace in namespaces}
    for _ in range(_ROUNDS):
        for namespace, way in ways.items():
            path = f"/apis/image.alauda.io/v1/namespaces/{namespace}/imagestreams"
            client = Client(port, cluster.ca_file, path, _STREAM, cluster.token)
            await way.measure(client, clients, pids)
    own = ways[namespaces[0]].per_second
    for namespace, way in ways.items():
        print(f"{clients:2} clients  {namespace:7} {way.per_second / own:.2f} of own  {way}")


if __name__ == "__main__":
    main()
