"""Limits on a real API server: exact across replicas, and told truly."""

import asyncio
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
import pytest_asyncio

from .cluster import Cluster
from .image_api import ImageApi
from .observed import becomes, quota, stored_tags, tells_the_truth, unsettled
from .pushes import Push, Pusher
from .replicas import Replicas

pytestmark = pytest.mark.e2e

LIMIT = 15
_SERIAL = itertools.count()


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Replicas(cluster, tmp_path_factory.mktemp("replicas"), 3) as running:
        yield running


@pytest_asyncio.fixture
async def image_api(cluster: Cluster) -> AsyncIterator[ImageApi]:
    api = ImageApi(cluster.kubeconfig, delay=0.5)
    await api.start()
    yield api
    await api.stop()


@pytest.fixture
def namespaces(cluster: Cluster) -> Iterator[list[str]]:
    """Five of them, each with room for LIMIT tags, that no other test has pushed to."""
    names = [f"team-{next(_SERIAL)}" for _ in range(5)]
    text = "---\n".join(quota(name, "image-tags", LIMIT) for name in names)
    cluster.kubectl("apply", "-f", "-", input=text)
    yield names
    cluster.kubectl("delete", "namespace", *names, "--wait=false")


@pytest.mark.parametrize("repeat", range(20))
async def test_300_concurrent_pushes_to_three_replicas_admit_exactly_the_limit(
    cluster: Cluster,
    replicas: Replicas,
    image_api: ImageApi,
    namespaces: list[str],
    repeat: int,
) -> None:
    image_api.delay = (0.0, 0.5, 2.0, 5.0)[repeat % 4]
    pushes = [
        Push(namespaces[number % 5], f"app-{number % 7}", f"v{number}") for number in range(300)
    ]

    answers = await Pusher(cluster).push(pushes)

    admitted = Counter(answer.push.namespace for answer in answers if answer.admitted)
    assert admitted == dict.fromkeys(namespaces, LIMIT)
    refused = [answer for answer in answers if not answer.admitted]
    assert {answer.code for answer in refused} == {403}
    assert all("exceeded quota: image-registry-quota" in answer.message for answer in refused)
    for namespace in namespaces:
        await tells_the_truth(cluster, namespace, LIMIT)


async def test_no_limit_is_passed_while_a_replica_is_killed_and_watches_are_cut(
    cluster: Cluster, replicas: Replicas, image_api: ImageApi, namespaces: list[str]
) -> None:
    image_api.delay = 1.0
    pushes = [
        Push(namespaces[number % 5], f"app-{number % 7}", f"v{number}") for number in range(300)
    ]
    pushing = asyncio.create_task(Pusher(cluster).push(pushes))
    await asyncio.sleep(0.7)
    await asyncio.to_thread(replicas.running[0].kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(cluster.restart_apiserver)

    answers = await pushing

    await asyncio.to_thread(replicas.start, 0)
    admitted = Counter(answer.push.namespace for answer in answers if answer.admitted)
    assert {answer.code for answer in answers} == {201, 403}
    for namespace in namespaces:
        # A create whose answer was lost with the API server is admitted all the same.
        assert admitted[namespace] <= LIMIT
        await becomes(30, namespace, partial(stored_tags, cluster, namespace), LIMIT)


async def test_deletes_and_a_restart_of_everything_leave_the_counts_true(
    cluster: Cluster, replicas: Replicas, image_api: ImageApi, namespaces: list[str]
) -> None:
    namespace = namespaces[0]
    pushes = [Push(namespace, f"app-{number}", "v1") for number in range(LIMIT)]
    assert all(answer.admitted for answer in await Pusher(cluster).push(pushes))
    await tells_the_truth(cluster, namespace, LIMIT)
    await becomes(20, "reservations", partial(unsettled, cluster, namespace), 0)

    stop = [asyncio.to_thread(replica.stop) for replica in replicas.running]
    assert await asyncio.gather(*stop) == [0, 0, 0]
    cluster.kubectl("-n", namespace, "delete", "imagestreams.image.alauda.io", "app-0", "app-1")
    await asyncio.to_thread(cluster.restart_apiserver)
    for index in range(3):
        await asyncio.to_thread(replicas.start, index)

    await tells_the_truth(cluster, namespace, LIMIT - 2)
    described = cluster.kubectl("-n", namespace, "describe", "quota").stdout
    assert re.search(rf"alauda.io/image-tags +{LIMIT - 2} +{LIMIT}\n", described)
    again = [Push(namespace, f"again-{number}", "v1") for number in range(5)]
    answers = await Pusher(cluster).push(again)
    assert sum(answer.admitted for answer in answers) == 2


async def test_a_server_side_dry_run_is_decided_and_leaves_no_trace(
    cluster: Cluster, replicas: Replicas, namespaces: list[str]
) -> None:
    namespace = namespaces[1]
    cluster.kubectl("apply", "-f", "-", input=quota(namespace, "image-tags", 1))
    for tag in ("v1", "v2", "v3"):
        mapping = json.dumps(Push(namespace, "app", tag).mapping("alauda.io"))
        cluster.kubectl("create", "--dry-run=server", "-f", "-", input=mapping)

    answers = await Pusher(cluster).push([Push(namespace, "app", "real")])
    assert answers[0].admitted
    mapping = json.dumps(Push(namespace, "app", "v4").mapping("alauda.io"))
    refused = cluster.kubectl("create", "--dry-run=server", "-f", "-", input=mapping, check=False)
    assert refused.returncode == 1
    assert "exceeded quota: image-registry-quota" in refused.stderr
    assert "used: alauda.io/image-tags=1, limited: alauda.io/image-tags=1" in refused.stderr


async def test_a_refused_push_is_an_event_on_its_stream(
    cluster: Cluster, replicas: Replicas, namespaces: list[str]
) -> None:
    namespace = namespaces[2]
    cluster.kubectl("apply", "-f", "-", input=quota(namespace, "image-tags", 0))
    await asyncio.sleep(1)
    await Pusher(cluster).push([Push(namespace, "app", f"v{number}") for number in range(5)])

    def events() -> list[tuple[str, str]]:
        answer = cluster.kubectl("-n", namespace, "get", "events", "-o", "json")
        items = json.loads(answer.stdout)["items"]
        return [(item["involvedObject"]["name"], item["reason"]) for item in items]

    def replicas_that_wrote() -> bool:
        return 1 <= len(events()) <= 3 and set(events()) == {("app", "QuotaExceeded")}

    await becomes(10, "events", replicas_that_wrote, True)
