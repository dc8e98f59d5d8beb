"""The NetworkPolicy, enforced by a firewall: the addresses that the service reaches or not."""

import json
from collections.abc import Iterator

import pytest

from tests.node.installation import IN_NAMESPACE, eventually, pods
from tests.node.node import CLIENT_IMAGE, Node

ELSEWHERE = "elsewhere"
API_SERVERS = (443, 6443, 8443, 16443)
REGISTRIES = (443, 5000)
NOBODY = (80, 3306, 9999)
_CONNECT = "import socket; socket.create_connection(('{host}', {port}), 3)"


@pytest.fixture
def pod(service: Node) -> str:
    """The name of a Pod of the service."""
    name: str = pods(service)[0]["metadata"]["name"]
    return name


@pytest.fixture(scope="module")
def server(node: Node) -> Iterator[str]:
    """The address of a Pod in another namespace that listens on all of these ports."""
    ports = sorted({*API_SERVERS, *REGISTRIES, *NOBODY})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "server", "namespace": ELSEWHERE},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": f"port-{port}",
                    "image": CLIENT_IMAGE,
                    "args": ["httpd", "-f", "-p", str(port), "-h", "/bin"],
                }
                for port in ports
            ],
        },
    }
    there = node.create_namespace(ELSEWHERE)
    node.kubectl("create", "--filename=-", input=json.dumps(pod))
    node.wait("--for=condition=Ready", there, "pod/server")
    yield node.kubectl("get", "pod/server", there, "--output=jsonpath={.status.podIP}").stdout
    node.remove_namespace(ELSEWHERE)


def connects(node: Node, pod: str, host: str, port: int) -> bool:
    """Whether a process in a Pod of the service gets a connection."""
    script = _CONNECT.format(host=host, port=port)
    done = node.kubectl("exec", IN_NAMESPACE, pod, "--", "python", "-c", script, check=False)
    assert done.returncode == 0 or "TimeoutError" in done.stderr or "refused" in done.stderr, (
        done.stderr
    )
    return done.returncode == 0


@pytest.mark.parametrize("port", sorted({*API_SERVERS, *REGISTRIES}))
def test_api_servers_and_registries_are_reached(
    node: Node, pod: str, server: str, port: int
) -> None:
    """Wait, because a connection may take long on a busy machine."""
    eventually(lambda: connects(node, pod, server, port))


@pytest.mark.parametrize("port", NOBODY)
def test_other_addresses_are_not_reached(node: Node, pod: str, server: str, port: int) -> None:
    """Wait, because the firewall sees a new Pod a moment later."""
    eventually(lambda: not connects(node, pod, server, port))
