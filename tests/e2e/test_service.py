"""The service on a real API server: faults, changes, and requests from strangers."""

import asyncio
import base64
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from app.certs import files
from tests.patience import PATIENCE

from .cluster import CLIENT_NAME, Cluster
from .domain import DOMAIN
from .observed import becomes, limits_of_the_page, quota
from .pushes import Push, Pusher
from .replicas import Replica, Replicas

pytestmark = pytest.mark.e2e

EXPIRY = 17
"""Seconds, by these settings."""
SHORT = (
    *("--request-timeout", "3", "--watch-lag", "10", "--clock-skew", "2"),
    *("--shutdown-delay", "2"),
)


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Replicas(cluster, tmp_path_factory.mktemp("replicas"), 2, *SHORT) as running:
        yield running


@pytest.fixture
def another_webhook(cluster: Cluster, replicas: Replicas) -> Iterator[None]:
    """A webhook that refuses tags called `lost`, because no service answers it."""
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "another"},
        "webhooks": [
            {
                "name": "another.example.com",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [
                    {
                        "apiGroups": [f"image.{DOMAIN}"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["imagestreammappings"],
                    }
                ],
                "matchConditions": [{"name": "lost", "expression": "object.tag == 'lost'"}],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
            }
        ],
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(configuration))
    probe = json.dumps(Push("default", "probe", "lost").mapping(DOMAIN))
    deadline = time.monotonic() + PATIENCE
    while (
        '"another.example.com"'
        not in cluster.kubectl(
            "create", "--dry-run=server", "-f", "-", input=probe, check=False
        ).stderr
    ):
        assert time.monotonic() < deadline, "the API server has not heard of the webhook"
        time.sleep(0.1)
    yield
    cluster.kubectl("delete", "validatingwebhookconfiguration", "another")


@pytest.mark.usefixtures("another_webhook")
async def test_push_refused_by_another_webhook_frees_its_place_at_expiry(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    cluster.kubectl("apply", "-f", "-", input=quota(namespace, "image-tags", 1))
    await asyncio.to_thread(replicas.wait_until_limited, namespace)
    pusher = Pusher(cluster)
    started = time.monotonic()
    [lost] = await pusher.push([Push(namespace, "app", "lost")], patience=0)
    assert 'failed calling webhook "another.example.com"' in lost.message

    async def admitted() -> bool:
        return (await pusher.push([Push(namespace, "other", "v1")]))[0].admitted

    while not await admitted():
        assert time.monotonic() - started < 90
        await asyncio.sleep(0.5)
    assert time.monotonic() - started > EXPIRY


async def test_stale_view_refuses_with_a_reason_and_recovers(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    replica = replicas.running[0]
    cluster.pause_apiserver()
    try:
        late = re.compile(rf"imagestreams\.image\.{DOMAIN}: the watch is .*\(limit: 10 s\)")
        await becomes("a reason", lambda: any(map(late.search, replica.reasons())), True)
    finally:
        cluster.resume_apiserver()

    await becomes("readiness", replica.reasons, [])
    assert (await Pusher(cluster).push([Push(namespace, "app", "v1")]))[0].admitted


class Load:
    """Creates streams all the time, and notes the failures that are not name conflicts."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._pusher = Pusher(cluster, clients=8)
        self._namespace = namespace
        self._done = False
        self.failures: list[str] = []
        self._count = 0

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._run()) for _ in range(4)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done = True
        await asyncio.gather(*self._tasks)

    async def go_on(self) -> None:
        """Wait until more creates have begun."""
        async with asyncio.timeout(PATIENCE):
            wanted = self._count + 10
            while self._count < wanted:
                await asyncio.sleep(0.1)

    async def _run(self) -> None:
        while not self._done:
            self._count += 1
            push = Push(self._namespace, f"app-{self._count % 10}", "v1")
            [answer] = await self._pusher.push([push], patience=0)
            if answer.code not in (201, 409):
                self.failures.append(f"{answer.code} {answer.message}")


async def test_a_rolling_restart_and_new_certificates_under_load_fail_no_review(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    limits_of_the_page(cluster, namespace)
    async with Load(cluster, namespace) as load:
        for index in range(2):
            # As in a Deployment, the new replica is ready before the old one gets SIGTERM.
            await load.go_on()
            old = replicas.running[index]
            await asyncio.to_thread(replicas.start, index)
            assert await asyncio.to_thread(old.stop) == 0
            names = ["localhost", "127.0.0.1"]
            await asyncio.to_thread(files.make, replicas.folder / "tls", names)
        await load.go_on()

    assert load.failures == []


def _is_served(replica: Replica, stored: Callable[[], str]) -> bool:
    served = ssl.get_server_certificate(("127.0.0.1", replica.port)).strip()
    return base64.b64decode(stored()).decode().strip().startswith(served)


async def test_certificates_that_the_replicas_share_are_replaced_under_load(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    secret = ("-n", "registry-admission", "secret", "registry-admission-tls")

    def serial() -> str:
        wanted = ("--ignore-not-found", "-o", "jsonpath={.data.tls\\.crt}")
        return cluster.kubectl("get", *secret, *wanted).stdout

    with Replicas(cluster, tmp_path, 2, *SHORT, shared_certificates=True) as replicas:
        first = serial()
        async with Load(cluster, namespace) as load:
            await load.go_on()
            await asyncio.to_thread(cluster.kubectl, "delete", *secret)
            await becomes("a new one", lambda: serial() not in ("", first), True)
            for replica in replicas.running:
                await becomes("readiness", replica.reasons, [])
                await becomes("a new one", partial(_is_served, replica, serial), True)
            await load.go_on()

        assert load.failures == []


async def test_only_the_api_server_may_send_reviews(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    flags = ("--client-ca", str(cluster.client_ca), "--client-names", CLIENT_NAME)
    with Replicas(cluster, tmp_path, 1, *flags) as replicas:
        limits_of_the_page(cluster, namespace)

        async def refused_as_too_large() -> bool:
            push = Push(namespace, "app", "v1", size=1200 * 2**20)
            [answer] = await Pusher(cluster).push([push], patience=0)
            return answer.code == 403 and "(1.17Gi > 1Gi)" in answer.message

        async with asyncio.timeout(PATIENCE):
            while not await refused_as_too_large():
                await asyncio.sleep(0.2)
        assert replicas.running[0].stranger() == 401
