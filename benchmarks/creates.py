"""Creates under this service's quota against the API server's own quota, on one API server.

Three arms, each with a namespace of its own: `own` is counted by the API server itself
(`count/imagestreams…`), `free` is sent to the webhook and nothing limits it, `ours` has a quota of
this service. The arms take turns, one round after another, so that noise meets all of them.

Two parts: a limit of 1,000,000, which nothing reaches, with 1, 16 and 64 clients; and a limit of
200 that 64 clients fill from half full to the last place.

With `--apart`, the API server and etcd have the first core for themselves, and replicas and load
generator the second, as if they ran on other nodes. Otherwise all share all cores.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.balancer import balancing
from benchmarks.load import Client, Timing
from benchmarks.processes import cpu_seconds, pin
from tests.e2e.cluster import Cluster, build_tools
from tests.e2e.replicas import Replicas
from tests.registry import programs

_CLIENTS = (1, 16, 64)
_REQUESTS = 640
_ROUNDS = 3
_MANY = 1_000_000
_FEW = 200
_ARMS = {
    "own": "count/imagestreams.image.alauda.io",
    "free": "",
    "ours": "alauda.io/imagestreams",
}
_STREAM = b"""\
{"apiVersion": "image.alauda.io/v1", "kind": "ImageStream", "metadata": {"generateName": "s-"}}"""


@dataclass
class _Setup:
    """A running cluster, its webhook replicas, and the processes whose CPU time is reported."""

    cluster: Cluster
    replicas: int
    pids: Mapping[str, int]

    def client(self, namespace: str) -> Client:
        port = int(self.cluster.url.rpartition(":")[2])
        path = f"/apis/image.alauda.io/v1/namespaces/{namespace}/imagestreams"
        return Client(port, self.cluster.ca_file, path, _STREAM, self.cluster.token)

    def namespaces(self, limit: int, suffix: str) -> dict[str, str]:
        """A new namespace for each arm, with its quota counted."""
        made = {arm: f"{arm}-{self.replicas}-{suffix}" for arm in _ARMS}
        for arm, name in _ARMS.items():
            self.cluster.kubectl("create", "namespace", made[arm])
            if name:
                hard = json.dumps({name: str(limit)})
                quota = (
                    "{apiVersion: v1, kind: ResourceQuota, metadata: {name: quota}, "
                    f"spec: {{hard: {hard}}}}}"
                )
                self.cluster.kubectl("-n", made[arm], "apply", "-f", "-", input=quota)
                _wait_until_counted(self.cluster, made[arm], name)
        return made


@dataclass
class _Arm:
    """The times and CPU of the creates in one namespace."""

    times: list[float] = field(default_factory=list)
    """Seconds of each create."""
    elapsed: float = 0.0
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds by process."""
    ledger: Counter[str] = field(default_factory=Counter)
    """Requests for ConfigMaps, by verb and code: those of the ledger."""

    async def measure(self, setup: _Setup, namespace: str, clients: int) -> None:
        cpu = {name: cpu_seconds(pid) for name, pid in setup.pids.items()}
        requests = _config_map_requests(setup.cluster)
        started = time.perf_counter()
        self.times += await setup.client(namespace).run(clients, _REQUESTS)
        self.elapsed += time.perf_counter() - started
        for name, pid in setup.pids.items():
            self.cpu[name] += cpu_seconds(pid) - cpu[name]
        self.ledger += _config_map_requests(setup.cluster) - requests

    @property
    def per_second(self) -> float:
        return len(self.times) / self.elapsed

    def __str__(self) -> str:
        timing = Timing.of(self.times, self.elapsed)
        count = len(self.times)
        spent = (f"{name} {cpu / count * 1e3:.2f}" for name, cpu in self.cpu.items())
        asked = (f"{kind} {number / count * 100:.1f}" for kind, number in self.ledger.items())
        return (
            f"p50 {timing.p50 * 1e3:7.1f} ms  p99 {timing.p99 * 1e3:7.1f} ms  "
            f"{timing.per_second:6.0f}/s  CPU ms per create: {', '.join(spent)}  "
            f"ledger requests per 100 creates: {', '.join(asked) or 'none'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apart", action="store_true")
    apart = parser.parse_args().apart
    if apart:
        # Replicas, nginx and the controller manager inherit the affinity.
        os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "cluster"
        folder.mkdir()
        cluster = Cluster(build_tools(), folder)
        cluster.start()
        try:
            if apart:
                for name in ("kube-apiserver", "etcd"):
                    pin(cluster.pid(name), 0)
            cluster.install_crds()
            cluster.start_controller_manager()
            for count in (1, 3):
                with _served(cluster, Path(temporary) / f"{count}-replicas", count) as setup:
                    _compare(setup)
                    _fill(setup)
        finally:
            cluster.stop()


@contextlib.contextmanager
def _served(cluster: Cluster, folder: Path, count: int) -> Iterator[_Setup]:
    """One replica is reached directly, three through nginx."""
    folder.mkdir()
    pids = {name: cluster.pid(name) for name in ("kube-apiserver", "etcd")}
    with contextlib.ExitStack() as stack:

        def front(ports: Sequence[int]) -> int:
            if len(ports) == 1:
                return ports[0]
            way = balancing(programs.build_tools(), folder / "balancer", ports)
            port, pids["nginx"] = stack.enter_context(way)
            return port

        excluded = [f"own-{count}-{suffix}" for suffix in _suffixes()]
        started = Replicas(cluster, folder, count, excluded=excluded, front=front)
        replicas = stack.enter_context(started)
        pids |= {f"replica {n}": one.process.pid for n, one in enumerate(replicas.running)}
        yield _Setup(cluster, count, pids)


def _suffixes() -> list[str]:
    return ["many", *(f"few{turn}" for turn in range(_ROUNDS))]


def _compare(setup: _Setup) -> None:
    namespaces = setup.namespaces(_MANY, "many")
    for clients in _CLIENTS:
        arms = {arm: _Arm() for arm in _ARMS}
        for _ in range(_ROUNDS):
            for arm, measured in arms.items():
                asyncio.run(measured.measure(setup, namespaces[arm], clients))
        own = arms["own"].per_second
        for arm, measured in arms.items():
            ratio = measured.per_second / own
            print(
                f"{setup.replicas} replicas  {clients:2} clients  {arm:4} "
                f"{ratio:.2f} of own  {measured}",
                flush=True,
            )


def _fill(setup: _Setup) -> None:
    """From half full to the last place, and as many creates again that must be refused."""
    for turn in range(_ROUNDS):
        namespaces = setup.namespaces(_FEW, f"few{turn}")
        for arm in ("own", "ours"):
            client = setup.client(namespaces[arm])
            asyncio.run(client.run(4, _FEW // 2))
            time.sleep(2)
            answers = asyncio.run(client.answers(64, _FEW // 2))
            late = asyncio.run(client.answers(16, 32))
            listed = setup.cluster.kubectl(
                "-n", namespaces[arm], "get", "imagestreams", "-o", "name"
            )
            codes = Counter(code for code, _ in answers)
            print(
                f"{setup.replicas} replicas  limit {_FEW}  {arm:4} stored "
                f"{len(listed.stdout.split())}  answers {dict(codes)}  longest "
                f"{max(seconds for _, seconds in answers) * 1e3:.0f} ms  "
                f"afterwards {dict(Counter(code for code, _ in late))}",
                flush=True,
            )


def _wait_until_counted(cluster: Cluster, namespace: str, name: str) -> None:
    """The quota controller needs a while to discover new kinds."""
    for _ in range(120):
        quota = cluster.kubectl("-n", namespace, "get", "quota", "quota", "-o", "json")
        if name in json.loads(quota.stdout).get("status", {}).get("used", {}):
            return
        time.sleep(1)
    raise TimeoutError(f"{name} is not counted in {namespace}")


def _config_map_requests(cluster: Cluster) -> Counter[str]:
    """Requests for ConfigMaps since the API server started, but for watches and lists."""
    found: Counter[str] = Counter()
    for line in cluster.kubectl("get", "--raw", "/metrics").stdout.splitlines():
        if line.startswith("apiserver_request_total{") and 'resource="configmaps"' in line:
            labels, _, number = line.rpartition(" ")
            parts = dict(
                part.split("=", 1) for part in labels.partition("{")[2].rstrip("}").split(",")
            )
            verb, code = parts["verb"].strip('"'), parts["code"].strip('"')
            if verb not in ("WATCH", "LIST"):
                found[verb if code.startswith("2") else f"{verb} {code}"] += int(float(number))
    return found


if __name__ == "__main__":
    main()
