"""Faults around the service: how it behaves during each, and how soon it recovers.

`make faults` prints the times that docs/faults.md has.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.certs import authority, files

from .cluster import Cluster
from .domain import DOMAIN
from .faulty_api import FaultyApi
from .observed import quota
from .pushes import Push, Pusher
from .replicas import Replica, Replicas

pytestmark = pytest.mark.e2e

LIMIT = 3
FLAGS = ("--request-timeout", "60", "--watch-lag", "5", "--clock-skew", "2")
_SERIAL = itertools.count()
_NAMES = ("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[FaultyApi]:
    running = FaultyApi(cluster)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def replicas(
    cluster: Cluster, api: FaultyApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    with Replicas(cluster, folder, 1, *FLAGS, server=api.url) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster, replicas: Replicas) -> Iterator[str]:
    """A namespace with room for a few tags, whose limits the service has seen."""
    name = f"fault-{next(_SERIAL)}"
    cluster.kubectl("apply", "-f", "-", input=quota(name, "image-tags", LIMIT))
    replicas.wait_until_limited(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[Cluster, FaultyApi], None]
    end: Callable[[Cluster, FaultyApi], None]
    blinds: bool = True
    """Whether the service cannot know the stored objects, and has to refuse."""


def _fails_with(status: int) -> Fault:
    def begin(_cluster: Cluster, api: FaultyApi) -> None:
        api.status = status
        api.cut()

    return Fault(f"the API server answers {status}", begin, lambda _, api: api.heal())


def _slow(_cluster: Cluster, api: FaultyApi) -> None:
    api.delay = 1.0


def _gone(_cluster: Cluster, api: FaultyApi) -> None:
    api.gone = True
    api.cut()


FAULTS = (
    Fault(
        "the API server is killed",
        lambda cluster, _: cluster.kill("kube-apiserver"),
        lambda cluster, _: cluster.revive_apiserver(),
    ),
    Fault(
        "the API server hangs",
        lambda cluster, _: cluster.pause_apiserver(),
        lambda cluster, _: cluster.resume_apiserver(),
    ),
    Fault(
        "etcd is killed",
        lambda cluster, _: cluster.kill("etcd"),
        lambda cluster, _: cluster.revive_etcd(),
    ),
    _fails_with(500),
    _fails_with(503),
    Fault("every answer takes 1 s longer", _slow, lambda _, api: api.heal(), blinds=False),
    Fault("watches end with 410", _gone, lambda _, api: api.heal()),
    Fault("connections are cut", lambda _, api: api.cut(), lambda _, api: api.heal(), blinds=False),
)


def asked(replica: Replica, namespace: str) -> int:
    """The code of a review that reserves nothing; 200 if it is allowed."""
    push = Push(namespace, "app", "probe")
    answer: dict[str, Any] = replica.review(
        {
            "uid": "1",
            "kind": {"group": f"image.{DOMAIN}", "version": "v1", "kind": "ImageStreamMapping"},
            "operation": "CREATE",
            "name": "app",
            "namespace": namespace,
            "dryRun": True,
            "object": push.mapping(DOMAIN),
        }
    )
    return 200 if answer["allowed"] else int(answer["status"]["code"])


async def until(replica: Replica, namespace: str, code: int, seconds: float = 120) -> float:
    """Seconds until a review is answered with this code. Before, the code is 200 or 503 only."""
    started = time.monotonic()
    while (seen := await asyncio.to_thread(asked, replica, namespace)) != code:
        assert seen in (200, 503)
        assert time.monotonic() < started + seconds, replica.reasons()
        await asyncio.sleep(0.1)
    return time.monotonic() - started


async def told(replica: Replica, seconds: float = 60) -> None:
    """Wait until the replica gives a reason; between a list and its watch it has none."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(replica.reasons):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_fault_is_reported_and_no_limit_is_exceeded(
    cluster: Cluster, api: FaultyApi, replicas: Replicas, namespace: str, fault: Fault
) -> None:
    replica = replicas.running[0]
    refused_after = 0.0
    await asyncio.to_thread(fault.begin, cluster, api)
    try:
        if fault.blinds:
            refused_after = await until(replica, namespace, 503)
            await told(replica)
        else:
            await asyncio.sleep(3)
    finally:
        await asyncio.to_thread(fault.end, cluster, api)
    recovered_after = await until(replica, namespace, 200)

    print(f"\nFAULT {fault.name}: 503 after {refused_after:.1f} s, well {recovered_after:.1f} s")
    pushes = [Push(namespace, f"app-{number}", "v1") for number in range(2 * LIMIT)]
    answers = await Pusher(cluster).push(pushes)
    assert sum(answer.admitted for answer in answers) == LIMIT
    assert replica.process.poll() is None


async def test_expired_certificate_is_replaced(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    tls, pusher = replicas.folder / "tls", Pusher(cluster)
    signer = files.read(tls / files.AUTHORITY, tls / files.AUTHORITY_KEY)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    expired = authority.make_serving(signer, _NAMES, long_ago, timedelta(days=1))

    async def code(tag: str) -> int:
        [answer] = await pusher.push([Push(namespace, f"app-{tag}", "v1")], patience=0)
        return answer.code

    await asyncio.to_thread(files.save, tls, expired)
    started = time.monotonic()
    while await code("v1") != 500:
        # API servers keep open connections; the certificate matters for new connections only.
        replicas.cut()
        assert time.monotonic() < started + 60
        await asyncio.sleep(0.2)

    await asyncio.to_thread(files.make, tls, _NAMES)
    started = time.monotonic()
    while await code("v2") != 201:
        assert time.monotonic() < started + 60
        await asyncio.sleep(0.1)
    print(f"\nFAULT the certificate expires: well {time.monotonic() - started:.1f} s")
