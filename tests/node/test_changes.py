"""Nothing is lost while the service, or what is below it, changes: the table in docs/faults.md."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.e2e.pushes import Push, Pusher
from tests.node.installation import (
    DEPLOYMENT,
    IN_NAMESPACE,
    NAMESPACE,
    eventually,
    installed,
    pods,
    rolled_out,
    uninstalled,
)
from tests.node.load import CLIENTS, limited, under_load
from tests.node.node import Node


@pytest.fixture(scope="module")
def service(node: Node) -> Iterator[Node]:
    installed(node)
    yield node
    uninstalled(node)


@pytest.fixture(scope="module")
def team(service: Node) -> Iterator[str]:
    with limited(service) as namespace:
        yield namespace


def restart_in_turn(node: Node) -> None:
    node.kubectl("rollout", "restart", DEPLOYMENT, IN_NAMESPACE)
    rolled_out(node)


def evict_every_pod(node: Node) -> None:
    for pod in pods(node):
        eventually(partial(evicted, node, pod["metadata"]["name"]))
        rolled_out(node)


def evicted(node: Node, name: str) -> bool:
    """Whether the disruption budget allowed it."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
    text = json.dumps(eviction)
    done = node.kubectl("create", f"--raw={path}", "--filename=-", input=text, check=False)
    return done.returncode == 0


def kubelet_is_down_for_20_seconds(node: Node) -> None:
    node.end("kubelet")
    time.sleep(20)
    node.start_kubelet()


def containerd_is_down_for_20_seconds(node: Node) -> None:
    node.end("containerd")
    time.sleep(20)
    node.start_containerd()


def delete_the_certificate(node: Node) -> None:
    secret = ("secret/registry-admission-tls", IN_NAMESPACE)
    node.kubectl("delete", *secret)
    eventually(lambda: node.kubectl("get", *secret, check=False).returncode == 0)


def restart_the_api_server(node: Node) -> None:
    node.restart_apiserver()


def kill_one_process(node: Node) -> None:
    uid = pods(node)[0]["metadata"]["uid"]
    for pid in node.processes(uid):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: restarts(node) > 0)
    rolled_out(node)


def restarts(node: Node) -> int:
    return sum(
        status["restartCount"]
        for pod in pods(node)
        for status in pod["status"]["containerStatuses"]
    )


@pytest.mark.parametrize(
    "change",
    [
        restart_in_turn,
        evict_every_pod,
        kubelet_is_down_for_20_seconds,
        containerd_is_down_for_20_seconds,
        delete_the_certificate,
    ],
)
async def test_no_review_fails_while_it_changes(
    service: Node, team: str, change: Callable[[Node], None]
) -> None:
    load = await under_load(service, team, change)

    assert load.made >= 10
    assert load.failures == []


async def test_a_killed_process_fails_reviews_only_until_its_service_knows(
    service: Node, team: str
) -> None:
    """Those that it had, and new connections in the second or two until it is no endpoint."""
    load = await under_load(service, team, kill_one_process)

    assert load.made >= 10
    assert len(load.failures) <= 3 * CLIENTS


async def test_pushes_are_admitted_again_when_the_only_api_server_was_restarted(
    service: Node, team: str
) -> None:
    """Replicas refuse while their view is too old: nobody knows what is stored."""
    load = await under_load(service, team, restart_the_api_server)

    assert all("cannot decide now" in one.message for one in load.failures)
    started = time.monotonic()
    last = Push(team, "after-the-restart", "v1")
    [admitted] = await Pusher(service).push([last])
    assert admitted.admitted, admitted.message
    print(f"admitted {time.monotonic() - started:.0f} s after the load")
