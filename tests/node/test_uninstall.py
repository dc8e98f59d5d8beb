"""`uninstall --everything` leaves the cluster as it was before the installation."""

import json

from tests.e2e.commands import run
from tests.e2e.observed import limits_of_the_page, used
from tests.e2e.pushes import Push, Pusher
from tests.node.installation import NAMESPACE, eventually, everything, installed
from tests.node.node import Node

TEAM = "team-left"
THERE = f"--namespace={TEAM}"
CONFIG = {
    "apiVersion": "imageregistry.operator.alauda.io/v1",
    "kind": "Config",
    "metadata": {"name": "cluster"},
    "spec": {"managementState": "Managed", "replicas": 1, "storage": {"emptyDir": {}}},
}
_OF_KUBERNETES = ("Lease/", "ReplicaSet/", "Pod/", "Endpoints/", "EndpointSlice/")


def pull_secrets(node: Node) -> list[str]:
    account = node.kubectl("get", "serviceaccount", "default", THERE, "--output=json").stdout
    return [one["name"] for one in json.loads(account).get("imagePullSecrets", [])]


async def test_nothing_is_left_of_an_installation_with_its_controllers(empty: Node) -> None:
    node = empty
    node.create_namespace(TEAM)
    node.wait("--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", THERE)
    node.kubectl("create", "--filename=-", input=json.dumps(CONFIG))
    limits_of_the_page(node, TEAM)
    await Pusher(node).push([Push(TEAM, "app", "v0")])
    before = everything(node)

    installed(node, "--controllers", "pull-secrets", "--controllers", "s3-credentials")
    eventually(lambda: pull_secrets(node))
    eventually(lambda: "alauda.io/image-tags" in used(node, TEAM))
    [pushed] = await Pusher(node).push([Push(TEAM, "more", "v1")])
    assert pushed.admitted
    written = set(everything(node)) - set(before)
    assert any(one.startswith(f"Secret/{TEAM}/") for one in written)

    removed = run(node, "uninstall", "--yes", "--everything")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    node.wait("--for=delete", f"namespace/{NAMESPACE}")

    left = {one for one in set(everything(node)) - set(before) if "/more" not in one}
    assert sorted(one for one in left if not one.startswith(_OF_KUBERNETES)) == []
    assert pull_secrets(node) == []
    assert not any("alauda.io" in name for name in used(node, TEAM))
    config = json.loads(node.kubectl("get", "configs/cluster", "--output=json").stdout)
    assert "PullSecretsManaged" not in json.dumps(config.get("status", {}))
    node.kubectl("delete", "configs/cluster")
    node.remove_namespace(TEAM)
