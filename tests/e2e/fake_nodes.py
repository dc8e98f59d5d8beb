"""Nodes that are objects only: the scheduler gives them Pods, and a thread plays their kubelets."""

import json
import threading
from datetime import UTC, datetime
from typing import Any

from .cluster import Cluster

_ADDRESS = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "20Gi"}
_PAUSE = 0.3


class FakeNodes:
    """While this runs, every Pod on a node is Ready, and a deleted Pod is gone at once."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = f"--namespace={namespace}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._names: list[str] = []

    def __enter__(self) -> "FakeNodes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._names:
            self._cluster.kubectl("delete", "node", *self._names)

    def add(self, name: str, *, control_plane: bool = False) -> None:
        taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
        manifest = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"taints": [taint] if control_plane else []},
        }
        self._cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))
        self._names.append(name)
        status = {"capacity": _ADDRESS, "allocatable": _ADDRESS, "conditions": _ready()}
        self._patch_status("node", name, status)
        # Added to each new node, until its network is ready.
        self._cluster.kubectl("taint", "node", name, "node.kubernetes.io/not-ready-", check=False)

    def pods(self) -> list[dict[str, Any]]:
        listed = self._cluster.kubectl("get", "pods", self._namespace, "--output=json").stdout
        found: list[dict[str, Any]] = json.loads(listed)["items"]
        return found

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            for pod in self.pods():
                name = pod["metadata"]["name"]
                if "deletionTimestamp" in pod["metadata"]:
                    self._cluster.kubectl(
                        "delete", "pod", name, self._namespace, "--force", check=False
                    )
                elif "nodeName" in pod["spec"] and pod["status"]["phase"] == "Pending":
                    status = {"phase": "Running", "conditions": _ready()}
                    self._patch_status("pod", name, status)

    def _patch_status(self, kind: str, name: str, status: dict[str, Any]) -> None:
        self._cluster.kubectl(
            "patch", kind, name, self._namespace, "--subresource=status", "--type=merge",
            f"--patch={json.dumps({'status': status})}",
            check=False,
        )  # fmt: skip


def _ready() -> list[dict[str, str]]:
    """The condition Ready, from now on: `minReadySeconds` counts from the transition."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Fake",
            "message": "",
            "lastTransitionTime": now,
        }
    ]
