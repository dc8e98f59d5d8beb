"""Thousands of ServiceAccounts get their pull secrets, and lose them, on one API server.

    python -m benchmarks.pull_secrets [ACCOUNTS] [RATE]

A client that lists ConfigMaps ten times a second measures the effect on others.
"""

import asyncio
import json
import re
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.e2e.cluster import Cluster, build_tools
from tests.e2e.pull_secrets import configure
from tests.e2e.replicas import NAMESPACE, Replica

_NAMESPACES = 50
_OBJECTS = re.compile(r'controller_objects\{.*progress="(\w+)"\} (\S+)')
_REQUESTS = re.compile(r"^apiserver_request_total\{([^}]*)\} (\S+)$", re.MULTILINE)
_RESOURCES = ('resource="secrets"', 'resource="serviceaccounts"')
_WRITES = ('verb="POST"', 'verb="PATCH"', 'verb="DELETE"', 'verb="APPLY"')


class Bench:
    def __init__(self, cluster: Cluster, replica: Replica) -> None:
        context = ssl.create_default_context(cafile=cluster.ca_file)
        self._api = httpx.AsyncClient(
            base_url=cluster.url,
            headers={"Authorization": f"Bearer {cluster.token}"},
            verify=context,
            trust_env=False,
            timeout=60,
        )
        self._replica = replica

    async def create_accounts(self, count: int) -> None:
        turns = asyncio.Semaphore(16)

        async def create(number: int) -> None:
            async with turns:
                path = f"/api/v1/namespaces/scale-{number % _NAMESPACES}/serviceaccounts"
                content = {"metadata": {"name": f"app-{number}"}}
                (await self._api.post(path, json=content)).raise_for_status()

        await asyncio.gather(*(create(number) for number in range(count)))

    async def measure(self, what: str, count: int, progress: str, wanted: int) -> None:
        """Wait until this number of ServiceAccounts has a state, and print the time."""
        before, started = await self._writes(), time.perf_counter()
        latencies: list[float] = []
        while self._objects().get(progress, 0) < wanted or self._objects().get("pending"):
            for _ in range(10):
                asked = time.perf_counter()
                await self._api.get("/api/v1/namespaces/scale-0/configmaps")
                latencies.append(time.perf_counter() - asked)
                await asyncio.sleep(0.1)
        seconds = time.perf_counter() - started
        writes = await self._writes() - before
        tail = statistics.quantiles(latencies, n=100)[98]
        print(
            f"{count} ServiceAccounts {what}: {seconds:.0f} s, {writes} writes, "
            f"{writes / seconds:.0f}/s; others' lists meanwhile p50 "
            f"{statistics.median(latencies) * 1e3:.1f} ms, p99 {tail * 1e3:.1f} ms; "
            f"memory {self._memory():.0f} MB",
            flush=True,
        )

    async def secrets_left(self) -> int:
        answer = await self._api.get("/api/v1/secrets", params={"limit": "10"})
        return len(answer.json()["items"])

    def _objects(self) -> dict[str, float]:
        """The number of ServiceAccounts by their state; nothing while another replica leads."""
        found = _OBJECTS.findall(self._replica.metrics())
        return {name: float(value) for name, value in found}

    async def _writes(self) -> int:
        text = (await self._api.get("/metrics")).text
        return sum(
            int(float(value))
            for labels, value in _REQUESTS.findall(text)
            if any(one in labels for one in _RESOURCES) and any(one in labels for one in _WRITES)
        )

    def _memory(self) -> float:
        status = Path(f"/proc/{self._replica.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0


async def _run(cluster: Cluster, replica: Replica, count: int) -> None:
    bench = Bench(cluster, replica)
    await bench.create_accounts(count)
    await asyncio.sleep(5)
    configure(cluster)
    await bench.measure("managed", count, "settled", count)
    configure(cluster, managementState="Removed")
    await bench.measure("removed", count, "settled", 0)
    print(f"Secrets left: {await bench.secrets_left()}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    rate = sys.argv[2] if len(sys.argv) > 2 else "40"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "cluster"
        folder.mkdir()
        with Cluster(build_tools(), folder) as cluster:
            cluster.install_crds()
            namespaces = [NAMESPACE, *(f"scale-{number}" for number in range(_NAMESPACES))]
            manifests = [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                for name in namespaces
            ]
            listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
            cluster.kubectl("create", "--filename=-", input=json.dumps(listed))
            flags = ("--controllers", "pull-secrets", "--controller-rate", rate)
            replica = Replica(cluster.kubeconfig, Path(temporary), 0, flags)
            try:
                print(f"{rate} requests per second at most")
                asyncio.run(_run(cluster, replica, count))
            finally:
                replica.stop()


if __name__ == "__main__":
    main()
