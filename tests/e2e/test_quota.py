"""Limits on a real API server: exact across replicas, with correct counts in the status."""

import asyncio
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import pytest_asyncio

from .cluster import Cluster
from .domain import DOMAIN
from .image_api import ImageApi
from .observed import becomes, quota, reserved, stored_tags, tells_the_truth
from .pushes import Push, Pusher
from .replicas import Replicas

pytestmark = pytest.mark.e2e

LIMIT = 15
REPEATS = 20 if DOMAIN == "alauda.io" else 4
_SERIAL = itertools.count()


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    with Replicas(cluster, folder, 3) as running:
        yield running


@pytest_asyncio.fixture
async def image_api(cluster: Cluster) -> AsyncIterator[ImageApi]:
    api = ImageApi(cluster, delay=0.5)
    await api.start()
    yield api
    await api.stop()


@pytest.fixture
def pusher(cluster: Cluster) -> Pusher:
    return Pusher(cluster)


def limit(cluster: Cluster, replicas: Replicas, namespaces: list[str], tags: int) -> None:
    """Limit the tags of each namespace, and wait until every replica has seen the limit."""
    text = "---\n".join(quota(name, "image-tags", tags) for name in namespaces)
    cluster.kubectl("apply", "-f", "-", input=text)
    for name in namespaces:
        replicas.wait_until_limited(name, tags)


@contextmanager
def limited(cluster: Cluster, replicas: Replicas) -> Iterator[list[str]]:
    """Five namespaces, each with room for LIMIT tags, that no other test has pushed to."""
    names = [f"team-{next(_SERIAL)}" for _ in range(5)]
    limit(cluster, replicas, names, LIMIT)
    yield names
    cluster.kubectl("delete", "namespace", *names, "--ignore-not-found", "--wait=false")


@pytest.fixture
def namespaces(cluster: Cluster, replicas: Replicas) -> Iterator[list[str]]:
    with limited(cluster, replicas) as names:
        yield names


def many(namespaces: list[str]) -> list[Push]:
    """Make 300 pushes, 60 to each namespace."""
    return [
        Push(namespaces[number % 5], f"app-{number % 7}", f"v{number}") for number in range(300)
    ]


async def test_300_concurrent_pushes_to_three_replicas_admit_exactly_the_limit(
    cluster: Cluster, replicas: Replicas, image_api: ImageApi, pusher: Pusher
) -> None:
    for repeat in range(REPEATS):
        image_api.delay = (0.0, 0.5, 2.0, 5.0)[repeat % 4]
        with limited(cluster, replicas) as namespaces:
            answers = await pusher.push(many(namespaces))

            admitted = Counter(answer.push.namespace for answer in answers if answer.admitted)
            assert admitted == dict.fromkeys(namespaces, LIMIT), f"repeat {repeat}"
            refused = [answer for answer in answers if not answer.admitted]
            assert {answer.code for answer in refused} == {403}
            assert all("exceeded quota: image-registry-quota" in one.message for one in refused)
            for namespace in namespaces:
                await all_are_stored(cluster, image_api, namespace)


async def all_are_stored(cluster: Cluster, image_api: ImageApi, namespace: str) -> None:
    """Every admitted push of a full namespace is stored and counted, apart from those that the
    Image API has ended: on a busy machine, storing may outlast a request."""

    def settled() -> bool:
        ended = [one for one in image_api.ended if one["metadata"]["namespace"] == namespace]
        return stored_tags(cluster, namespace) + len(ended) == LIMIT

    await becomes(f"tags of {namespace}", settled, True)
    await tells_the_truth(cluster, namespace, stored_tags(cluster, namespace))


async def kill_a_replica(cluster: Cluster, replicas: Replicas) -> None:
    await asyncio.sleep(0.7)
    await asyncio.to_thread(replicas.running[0].kill)


async def cut_the_watches(cluster: Cluster, replicas: Replicas) -> None:
    """Cut every connection of the replicas to the API server, again and again."""
    for _ in range(8):
        await asyncio.sleep(0.4)
        replicas.way.cut()


async def restart_the_api_server(cluster: Cluster, replicas: Replicas) -> None:
    await asyncio.sleep(0.7)
    await asyncio.to_thread(cluster.restart_apiserver)


@pytest.mark.parametrize("harm", [kill_a_replica, cut_the_watches, restart_the_api_server])
async def test_no_limit_is_passed_when_things_break_midway(
    cluster: Cluster,
    replicas: Replicas,
    image_api: ImageApi,
    namespaces: list[str],
    pusher: Pusher,
    harm: Callable[[Cluster, Replicas], Awaitable[None]],
) -> None:
    image_api.delay = 1.0
    pushing = asyncio.create_task(pusher.push(many(namespaces), patience=180))
    await harm(cluster, replicas)

    answers = await pushing

    if replicas.running[0].process.poll() is not None:
        await asyncio.to_thread(replicas.start, 0)
    admitted = Counter(answer.push.namespace for answer in answers if answer.admitted)
    assert {answer.code for answer in answers} == {201, 403}

    def all_that_may(namespace: str) -> bool:
        """On a busy machine a restart may outlast a request: what has ended is not stored, though
        the API server has answered 201."""
        ended = [one for one in image_api.ended if one["metadata"]["namespace"] == namespace]
        # A create is admitted even if its answer was lost with the API server.
        assert admitted[namespace] - len(ended) <= LIMIT
        return LIMIT - len(ended) <= stored_tags(cluster, namespace) <= LIMIT

    for namespace in namespaces:
        await becomes(f"tags of {namespace}", partial(all_that_may, namespace), True)
        await tells_the_truth(cluster, namespace, stored_tags(cluster, namespace))


async def test_a_request_that_has_ended_is_never_stored(
    cluster: Cluster, image_api: ImageApi, namespaces: list[str], pusher: Pusher
) -> None:
    """If the stand-in stored a push after its reservation has expired, a limit would be exceeded
    without a fault of the service."""
    image_api.timeout, image_api.delay = 1.0, 2.0

    [answer] = await pusher.push([Push(namespaces[0], "app", "late")])

    assert answer.admitted
    await becomes("requests that have ended", lambda: len(image_api.ended), 1)
    assert stored_tags(cluster, namespaces[0]) == 0


async def test_counts_are_right_after_deletes_and_a_full_restart(
    cluster: Cluster,
    replicas: Replicas,
    image_api: ImageApi,
    namespaces: list[str],
    pusher: Pusher,
) -> None:
    namespace = namespaces[0]
    pushes = [Push(namespace, f"app-{number}", "v1") for number in range(LIMIT)]
    assert all(answer.admitted for answer in await pusher.push(pushes))
    await tells_the_truth(cluster, namespace, LIMIT)
    await becomes("reservations", partial(reserved, cluster, namespace), 0)

    stop = [asyncio.to_thread(replica.stop) for replica in replicas.running]
    assert await asyncio.gather(*stop) == [0, 0, 0]
    cluster.kubectl("-n", namespace, "delete", f"imagestreams.image.{DOMAIN}", "app-0", "app-1")
    await asyncio.to_thread(cluster.restart_apiserver)
    for index in range(3):
        await asyncio.to_thread(replicas.start, index)

    await tells_the_truth(cluster, namespace, LIMIT - 2)
    described = cluster.kubectl("-n", namespace, "describe", "quota").stdout
    assert re.search(rf"{DOMAIN}/image-tags +{LIMIT - 2} +{LIMIT}\n", described)
    again = [Push(namespace, f"again-{number}", "v1") for number in range(5)]
    answers = await pusher.push(again)
    assert sum(answer.admitted for answer in answers) == 2


def stream_with_tag(namespace: str, name: str, tag: str) -> str:
    """A stream whose spec has one tag. Unlike mappings, streams honour `dryRun`."""
    source = {"kind": "DockerImage", "name": "registry.example.com/library/app:v1"}
    return json.dumps(
        {
            "apiVersion": f"image.{DOMAIN}/v1",
            "kind": "ImageStream",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"tags": [{"name": tag, "from": source}]},
        }
    )


async def test_a_server_side_dry_run_is_decided_and_leaves_no_trace(
    cluster: Cluster, replicas: Replicas, namespaces: list[str], pusher: Pusher
) -> None:
    namespace = namespaces[1]
    limit(cluster, replicas, [namespace], 1)
    create = ("create", "--dry-run=server", "-f", "-")
    for name in ("one", "two", "three"):
        cluster.kubectl(*create, input=stream_with_tag(namespace, name, "v1"))
    ledgers = cluster.kubectl("-n", "registry-admission", "get", "configmaps", "-o", "name")
    assert f"configmap/ledger-{namespace}" not in ledgers.stdout.split()

    answers = await pusher.push([Push(namespace, "app", "real")])
    assert answers[0].admitted
    refused = cluster.kubectl(*create, input=stream_with_tag(namespace, "four", "v4"), check=False)
    assert refused.returncode == 1
    assert "exceeded quota: image-registry-quota" in refused.stderr
    assert f"used: {DOMAIN}/image-tags=1, limited: {DOMAIN}/image-tags=1" in refused.stderr
    assert cluster.kubectl("-n", namespace, "get", "events", "-o", "name").stdout == ""


async def test_a_refused_push_is_an_event_that_describe_shows(
    cluster: Cluster, replicas: Replicas, namespaces: list[str], pusher: Pusher
) -> None:
    namespace = namespaces[2]
    stream = {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": namespace},
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(stream))
    limit(cluster, replicas, [namespace], 0)
    await pusher.push([Push(namespace, "app", f"v{number}") for number in range(30)])

    def described() -> list[str]:
        """Each replica that refused has logged one line, whatever the number of refusals."""
        shown = cluster.kubectl("-n", namespace, "describe", f"imagestreams.image.{DOMAIN}", "app")
        lines = shown.stdout.partition("\nEvents:")[2].splitlines()
        return [line for line in lines if "QuotaExceeded" in line]

    await becomes("events", lambda: 1 <= len(described()) <= 3, True)
    [event, *_] = described()
    assert "exceeded quota: image-registry-quota" in event
    assert event.split()[0] == "Warning"


async def test_a_namespace_that_is_made_anew_starts_empty(
    cluster: Cluster,
    replicas: Replicas,
    image_api: ImageApi,
    namespaces: list[str],
    pusher: Pusher,
) -> None:
    namespace = namespaces[3]
    pushes = [Push(namespace, "app", f"v{number}") for number in range(LIMIT + 1)]
    assert sum(answer.admitted for answer in await pusher.push(pushes)) == LIMIT
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")

    def left(*what: str) -> str:
        return cluster.kubectl("get", *what, "-o", "name", "--ignore-not-found").stdout

    await becomes("the namespace", partial(left, "namespace", namespace), "")
    ledger = ("-n", "registry-admission", "configmap", f"ledger-{namespace}")
    # As long as a push may last that was admitted before, and until all replicas have seen its end.
    await becomes("its ledger", partial(left, *ledger), "")
    limit(cluster, replicas, [namespace], LIMIT)
    pushes = [Push(namespace, "other", f"v{number}") for number in range(LIMIT + 1)]
    assert sum(answer.admitted for answer in await pusher.push(pushes)) == LIMIT
