"""The same service under the other API domain."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from .cluster import Cluster
from .image_api import ImageApi
from .observed import becomes, quota, used
from .pushes import Push, Pusher
from .replicas import Replicas

pytestmark = pytest.mark.e2e

DOMAIN = "openshift.io"
LIMIT = 10


@pytest.fixture
def openshift(cluster: Cluster, tmp_path: Path) -> Iterator[Replicas]:
    cluster.install_crds(DOMAIN)
    with Replicas(cluster, tmp_path, 2, domain=DOMAIN) as replicas:
        yield replicas
    names = cluster.kubectl("get", "customresourcedefinitions", "-o", "name").stdout.split()
    cluster.kubectl("delete", *(name for name in names if name.endswith(DOMAIN)))


async def test_limits_hold_under_the_other_names(cluster: Cluster, openshift: Replicas) -> None:
    namespace = "okd"
    cluster.kubectl("apply", "-f", "-", input=quota(namespace, "images", LIMIT, DOMAIN))
    await asyncio.sleep(1)
    image_api = ImageApi(cluster.kubeconfig, DOMAIN, delay=0.5)
    await image_api.start()

    pushes = [Push(namespace, f"app-{number % 3}", f"v{number}") for number in range(60)]
    answers = await Pusher(cluster, domain=DOMAIN).push(pushes)

    assert sum(answer.admitted for answer in answers) == LIMIT
    refusal = next(answer.message for answer in answers if not answer.admitted)
    assert "requested: openshift.io/images=1" in refusal
    counts = {"openshift.io/images": str(LIMIT), "pods": "0"}
    await becomes(30, "status", partial(used, cluster, namespace), counts)
    await image_api.stop()
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
