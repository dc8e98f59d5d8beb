"""With no replica at all, the cluster goes on; only what is documented is refused."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.pushes import Push, Pusher
from tests.node.installation import (
    DEPLOYMENT,
    IN_NAMESPACE,
    SELECTOR,
    installed,
    rolled_out,
    uninstalled,
)
from tests.node.node import CLIENT_IMAGE, Node

BYSTANDER = "bystander"


@pytest.fixture
def without_replicas(node: Node) -> Iterator[Node]:
    installed(node)
    node.kubectl("create", "namespace", BYSTANDER)
    node.kubectl("scale", DEPLOYMENT, IN_NAMESPACE, "--replicas=0")
    node.kubectl(
        "wait", "--for=delete", "pods", SELECTOR, IN_NAMESPACE, "--timeout=120s", timeout=130
    )
    yield node
    node.kubectl("delete", "namespace", BYSTANDER, timeout=120)
    uninstalled(node)


async def test_pods_start_and_objects_are_written_while_no_replica_runs(
    without_replicas: Node,
) -> None:
    node, there = without_replicas, f"--namespace={BYSTANDER}"

    node.kubectl("run", "bystander", f"--image={CLIENT_IMAGE}", there)
    node.kubectl("wait", "--for=condition=Ready", "--timeout=50s", "pod/bystander", there)
    node.kubectl("create", "configmap", "one", "--from-literal=a=b", there)
    node.kubectl("create", "secret", "generic", "one", "--from-literal=a=b", there)
    node.kubectl("create", "serviceaccount", "one", there)

    [refused] = await Pusher(node).push([Push(BYSTANDER, "app", "v1")], patience=0)
    assert refused.code == 500
    assert 'failed calling webhook "pushes.registry-admission.alauda.io"' in refused.message

    node.kubectl("scale", DEPLOYMENT, IN_NAMESPACE, "--replicas=3")
    rolled_out(node)
    [stored] = await Pusher(node).push([Push(BYSTANDER, "app", "v1")])
    assert stored.admitted, stored.message
    bundle = node.kubectl("get", "validatingwebhookconfiguration", "registry-admission", "-ojson")
    assert all("caBundle" in one["clientConfig"] for one in json.loads(bundle.stdout)["webhooks"])
