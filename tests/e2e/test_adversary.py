"""Twenty hostile clients beside honest ones: no honest push fails.

`make faults` prints the times that docs/faults.md has.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
import yaml

from .cluster import Cluster
from .hostile import attack
from .observed import quota, stored_tags
from .pushes import Push
from .replicas import Replica, Replicas

pytestmark = pytest.mark.e2e

HONEST, HOSTILE = "honest", "hostile"
PUSHERS = 2
PUSHES = 150
"""The number of pushes of each honest client, one every 0.2 seconds."""
PAUSE = 0.2


@pytest.fixture(scope="module")
def replica(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """One replica, which the API server calls directly."""
    folder = tmp_path_factory.mktemp("replicas")
    with Replicas(cluster, folder, 1, front=lambda ports: ports[0]) as running:
        for namespace in (HONEST, HOSTILE):
            cluster.kubectl("apply", "-f", "-", input=quota(namespace, "image-tags", 900))
            cluster.kubectl("apply", "-f", "-", input=tenant(namespace))
            running.wait_until_limited(namespace)
        yield running.running[0]


def tenant(namespace: str) -> str:
    """An image limit, and an account that may do everything with images in its namespace."""
    metadata = {"name": "tenant", "namespace": namespace}
    rules = [{"apiGroups": ["image.alauda.io"], "resources": ["*"], "verbs": ["*"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"}
    subject = {"kind": "ServiceAccount", **metadata}
    limit = {"type": "alauda.io/Image", "max": {"storage": "1Gi"}}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
    return yaml.safe_dump_all(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {**rbac, "kind": "Role", "rules": rules},
            {**rbac, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]},
            {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata,
             "spec": {"limits": [limit]}},
        ]
    )  # fmt: skip


def token(cluster: Cluster, namespace: str) -> str:
    created = cluster.kubectl("create", "token", "tenant", f"--namespace={namespace}")
    return created.stdout.strip()


@dataclass
class Seen:
    """The results of honest clients."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed_probes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        return (
            f"{len(ordered)} pushes, p50 {p50:.3f} s, p99 {p99:.3f} s, "
            f"{len(self.failures)} failed, {len(self.failed_probes)} probes failed"
        )


async def push_honestly(cluster: Cluster, replica: Replica, prefix: str) -> Seen:
    """Make each push once, and probe the replica meanwhile as a kubelet does."""
    seen = Seen()
    headers = {"Authorization": f"Bearer {token(cluster, HONEST)}"}
    context = ssl.create_default_context(cafile=str(cluster.ca_file))
    path = f"/apis/image.alauda.io/v1/namespaces/{HONEST}/imagestreammappings"

    async def pusher(client: httpx.AsyncClient, name: str) -> None:
        for number in range(PUSHES):
            push = Push(HONEST, f"{prefix}-{name}-{number}", "v1")
            started = time.monotonic()
            try:
                answer = await client.post(path, json=push.mapping("alauda.io"))
                if answer.status_code != 201:
                    seen.failures.append(answer.text)
            except httpx.HTTPError as error:
                seen.failures.append(repr(error))
            seen.seconds.append(time.monotonic() - started)
            await asyncio.sleep(PAUSE)

    async def probe() -> None:
        """Probe as the kubelet does, with a new connection and a timeout of two seconds."""
        while True:
            async with httpx.AsyncClient(verify=replica.context(), timeout=2) as client:
                try:
                    answer = await client.get(f"{replica.url}/readyz")
                    if answer.status_code != 200:
                        seen.failed_probes.append(answer.text)
                except httpx.HTTPError as error:
                    seen.failed_probes.append(repr(error))
            await asyncio.sleep(1)

    async with httpx.AsyncClient(
        base_url=cluster.url, verify=context, headers=headers, timeout=30
    ) as client:
        probing = asyncio.create_task(probe())
        await asyncio.gather(*(pusher(client, str(number)) for number in range(PUSHERS)))
        probing.cancel()
    return seen


async def test_no_honest_push_fails_beside_twenty_hostile_clients(
    cluster: Cluster, replica: Replica
) -> None:
    alone = await push_honestly(cluster, replica, "alone")
    print(f"\nADVERSARY nobody hostile: {alone}")
    arguments = ("--server", cluster.url, "--token", token(cluster, HOSTILE))
    with attack(*arguments, "--namespace", HOSTILE, "--port", str(replica.port)):
        await asyncio.sleep(5)
        beside = await push_honestly(cluster, replica, "beside")
    print(f"ADVERSARY twenty hostile clients: {beside}")

    assert beside.failures == []
    assert beside.failed_probes == []
    assert stored_tags(cluster, HOSTILE) == 0
    assert replica.process.poll() is None
