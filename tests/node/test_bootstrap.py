"""Without any replica the cluster goes on, and only the documented requests are refused."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.pushes import Push, Pusher
from tests.node.installation import (
    DEPLOYMENT,
    IN_NAMESPACE,
    SELECTOR,
    rolled_out,
)
from tests.node.node import CLIENT_IMAGE, Node

BYSTANDER = "bystander"


@pytest.fixture
def without_replicas(service: Node) -> Iterator[str]:
    """The option of kubectl for a namespace, in a cluster in which no replica runs."""
    yield service.create_namespace(BYSTANDER)
    scaled(service, 3)
    service.remove_namespace(BYSTANDER)


def scaled(node: Node, replicas: int) -> None:
    node.kubectl("scale", DEPLOYMENT, IN_NAMESPACE, f"--replicas={replicas}")
    rolled_out(node)
    if not replicas:
        node.wait("--for=delete", "pods", SELECTOR, IN_NAMESPACE)


async def test_pods_start_and_objects_are_written_while_no_replica_runs(
    node: Node, without_replicas: str
) -> None:
    there = without_replicas
    scaled(node, 0)

    node.kubectl("run", "bystander", f"--image={CLIENT_IMAGE}", there)
    node.wait("--for=condition=Ready", "pod/bystander", there)
    node.kubectl("create", "configmap", "one", "--from-literal=a=b", there)
    node.kubectl("create", "secret", "generic", "one", "--from-literal=a=b", there)
    node.kubectl("create", "serviceaccount", "one", there)

    [refused] = await Pusher(node).push([Push(BYSTANDER, "app", "v1")], patience=0)
    assert refused.code == 500
    assert 'failed calling webhook "pushes.registry-admission.alauda.io"' in refused.message

    scaled(node, 3)
    [stored] = await Pusher(node).push([Push(BYSTANDER, "app", "v1")])
    assert stored.admitted, stored.message
    bundle = node.kubectl("get", "validatingwebhookconfiguration", "registry-admission", "-ojson")
    assert all("caBundle" in one["clientConfig"] for one in json.loads(bundle.stdout)["webhooks"])
