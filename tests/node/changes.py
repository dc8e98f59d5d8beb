"""Changes of the service and of the node while users push."""

import contextlib
import json
import os
import signal
import threading
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from app.certs import authority, rotation
from app.certs.cluster import NAME as SECRET
from app.certs.cluster import service_names
from tests.node.installation import (
    DEPLOYMENT,
    IN_NAMESPACE,
    NAMESPACE,
    SELECTOR,
    eventually,
    pods,
    rolled_out,
)
from tests.node.node import Node

_STOPPED, _RUNNING = 1.5, 0.15
"""Seconds of running and stopping: a starved process gets 9 % of one core."""


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


def scale_to_zero_and_back(node: Node) -> None:
    node.kubectl("scale", DEPLOYMENT, IN_NAMESPACE, "--replicas=0")
    node.wait("--for=delete", "pods", SELECTOR, IN_NAMESPACE)
    node.kubectl("scale", DEPLOYMENT, IN_NAMESPACE, "--replicas=3")
    rolled_out(node)


def kubelet_is_down_for_20_seconds(node: Node) -> None:
    node.end("kubelet")
    time.sleep(20)
    node.start_kubelet()


def containerd_is_down_for_20_seconds(node: Node) -> None:
    node.end("containerd")
    time.sleep(20)
    node.start_containerd()


def restart_the_node(node: Node) -> None:
    """Kill every process of the node and of its Pods. The control plane goes on."""
    before = restarts(node)
    node.end("kubelet", signal.SIGKILL)
    node.end("containerd", signal.SIGKILL)
    kill(node.pod_processes(), signal.SIGKILL)
    node.start_containerd()
    node.start_kubelet()
    eventually(lambda: restarts(node) >= before + 3)
    rolled_out(node)


def restart_the_api_server(node: Node) -> None:
    """Restart the API server, and wait 10 seconds for the replicas to open their watches again."""
    node.restart_apiserver()
    time.sleep(10)


def delete_the_certificate(node: Node) -> None:
    node.kubectl("delete", "secret", SECRET, IN_NAMESPACE)
    eventually(lambda: node.kubectl("get", "secret", SECRET, IN_NAMESPACE, check=False).stdout)


def renew_the_certificate(node: Node) -> None:
    """Let the serving certificate reach its renewal time, so that a replica makes a new one."""
    found = rotation.decode(data_of_the_secret(node))
    issued = datetime.now(UTC) - timedelta(days=80)
    names = service_names(NAMESPACE, NAMESPACE)
    old = authority.make_serving(found.signer, names, issued, timedelta(days=90))
    patch = {"data": rotation.encode(replace(found, serving=old))}
    node.kubectl("patch", "secret", SECRET, IN_NAMESPACE, f"--patch={json.dumps(patch)}")
    eventually(lambda: b64decode(data_of_the_secret(node)["tls.crt"]) != old.certificate)


def data_of_the_secret(node: Node) -> dict[str, str]:
    found = node.kubectl("get", "secret", SECRET, IN_NAMESPACE, "--output=json").stdout
    data: dict[str, str] = json.loads(found)["data"]
    return data


def kill_one_process(node: Node) -> None:
    before = restarts(node)
    kill(node.processes(uid(pods(node)[0])), signal.SIGKILL)
    eventually(lambda: restarts(node) > before)
    rolled_out(node)


def hang_every_process(node: Node) -> None:
    """Stop every replica with SIGSTOP, until the kubelet replaces them."""
    before = restarts(node)
    for pod in pods(node):
        kill(node.processes(uid(pod)), signal.SIGSTOP)
    eventually(lambda: restarts(node) >= before + 3)
    rolled_out(node)


def starve_one_replica(node: Node) -> None:
    """Give a replica too little CPU. It turns unready, and is ready again afterwards."""
    starving = pods(node)[0]["metadata"]["name"]
    with starved(node.processes(uid(pods(node)[0]))):
        eventually(lambda: not is_ready(node, starving))
        time.sleep(10)
        assert not is_ready(node, starving)
    eventually(lambda: is_ready(node, starving))


@contextmanager
def starved(processes: Iterable[int]) -> Iterator[None]:
    """Stop the processes for most of the time."""
    ended = threading.Event()

    def stop_and_go() -> None:
        while not ended.wait(_RUNNING):
            kill(processes, signal.SIGSTOP)
            ended.wait(_STOPPED)
            kill(processes, signal.SIGCONT)

    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def kill(processes: Iterable[int], by: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, by)


def uid(pod: dict[str, Any]) -> str:
    found: str = pod["metadata"]["uid"]
    return found


def is_ready(node: Node, name: str) -> bool:
    [pod] = [one for one in pods(node) if one["metadata"]["name"] == name]
    conditions = {one["type"]: one["status"] for one in pod["status"]["conditions"]}
    return bool(conditions["Ready"] == "True")


def restarts(node: Node) -> int:
    return sum(
        status["restartCount"]
        for pod in pods(node)
        for status in pod["status"].get("containerStatuses", [])
    )
