"""10,000 pushes to three replicas while replicas are killed and frozen, watches are cut and the API
server is away: no limit is exceeded, and afterwards no place is held.

Part of `make faults`, which prints the figures of docs/faults.md.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
import pytest_asyncio

from app.admission.escrows import LIFE

from .cluster import Cluster
from .harm import Harm
from .image_api import ImageApi
from .observed import becomes, quota, reserved, tells_the_truth
from .pushes import Push, Pusher
from .replicas import Replicas
from .tag_counter import TagCounter

pytestmark = pytest.mark.e2e

NAMESPACES = [f"many-{number}" for number in range(10)]
PUSHES = 10_000
LIMIT = 700
STREAMS = 97
REQUEST_TIMEOUT = 15
"""Seconds. Short ones, so that reservations and escrows of lost requests end during the run."""
RESERVATION = REQUEST_TIMEOUT + 5 + 2 * 2.0
COUNTED = LIFE + 2 * RESERVATION
"""Seconds for which the places of a lost escrow count."""
FLAGS = ("--request-timeout", str(REQUEST_TIMEOUT), "--watch-lag", "5", "--clock-skew", "2")


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Replicas(cluster, tmp_path_factory.mktemp("replicas"), 3, *FLAGS) as running:
        cluster.kubectl("apply", "-f", "-", input="---\n".join(map(_limits, NAMESPACES)))
        for name in NAMESPACES:
            running.wait_until_limited(name)
        yield running
    cluster.kubectl("delete", "namespace", *NAMESPACES, "--wait=false")


def _limits(namespace: str) -> str:
    return quota(namespace, "image-tags", LIMIT)


@pytest_asyncio.fixture
async def image_api(cluster: Cluster) -> AsyncIterator[ImageApi]:
    api = ImageApi(cluster, delay=0.2, timeout=REQUEST_TIMEOUT)
    await api.start()
    yield api
    await api.stop()


async def hurt(harm: Harm, over: asyncio.Event) -> None:
    """The third replica is frozen for longer than its escrow counts, the others are killed or
    frozen for longer than it is usable."""

    async def long_freezes() -> None:
        while True:
            await harm.freeze(2, COUNTED + 5)
            await asyncio.sleep(10)

    freezing = asyncio.create_task(long_freezes())
    for turn in itertools.count():
        if over.is_set():
            break
        await asyncio.sleep(3)
        await harm.kill(turn % 2)
        await harm.cut()
        await harm.freeze(1 - turn % 2, LIFE + 3)
        if turn % 6 == 2:
            await harm.lose_the_api_server(RESERVATION + 5 if turn % 12 == 2 else 0)
    freezing.cancel()


async def delete_now_and_then(counter: TagCounter) -> None:
    for namespace in itertools.cycle(NAMESPACES):
        await asyncio.sleep(0.5)
        if counter.now[namespace] > LIMIT / 2:
            await counter.delete_a_tag(namespace)


async def nothing_is_held(cluster: Cluster) -> None:
    for namespace in NAMESPACES:
        held = partial(reserved, cluster, namespace)
        await becomes(f"reservations of {namespace}", held, 0)


async def fill(cluster: Cluster, pusher: Pusher, counter: TagCounter) -> None:
    """Push more than there is room for, and repeat pushes that ended before they were stored."""
    for turn in itertools.count():
        missing = {name: LIMIT - counter.now[name] for name in NAMESPACES}
        if not any(missing.values()):
            return
        await pusher.push(
            Push(namespace, f"app-{number}", f"last-{turn}")
            for namespace, count in missing.items()
            for number in range(count + 5)
        )
        await nothing_is_held(cluster)


async def test_10_000_pushes_pass_no_limit_whatever_happens(
    cluster: Cluster, replicas: Replicas, image_api: ImageApi
) -> None:
    counter, harm = TagCounter(image_api), Harm(cluster, replicas)
    pusher = Pusher(cluster, 24, room=image_api.room)
    pushes = [
        Push(NAMESPACES[number % 10], f"app-{number % STREAMS}", f"v{number}")
        for number in range(PUSHES)
    ]
    started = time.monotonic()
    counting = asyncio.create_task(counter.run())
    deleting = asyncio.create_task(delete_now_and_then(counter))
    over = asyncio.Event()
    hurting = asyncio.create_task(hurt(harm, over))

    answers = await pusher.push(pushes, patience=1200)

    over.set()
    await hurting
    deleting.cancel()
    ended, pushed = time.monotonic(), Counter(answer.code for answer in answers)
    await nothing_is_held(cluster)
    print(
        f"\nFAULTS {len(answers)} pushes in {ended - started:.0f} s: {pushed}, "
        f"{len(image_api.ended)} ended before they were stored, "
        f"{counter.deleted.total()} tags deleted, {dict(harm.done)}; most stored: {counter.most}; "
        f"nothing held {time.monotonic() - ended:.0f} s later"
    )
    assert set(pushed) == {201, 403}
    assert image_api.failures == []
    assert all(counter.most[namespace] <= LIMIT for namespace in NAMESPACES)

    async with asyncio.timeout(600):
        await fill(cluster, pusher, counter)
    for namespace in NAMESPACES:
        await tells_the_truth(cluster, namespace, LIMIT)
    assert all(counter.most[namespace] == LIMIT for namespace in NAMESPACES)
    counting.cancel()
