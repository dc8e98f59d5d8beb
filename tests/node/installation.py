"""Installs, queries and removes the service on the node."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import yaml

from app.install import installing
from app.install.kustomization import Manifest
from tests.e2e import overlays
from tests.e2e.commands import run
from tests.node.node import IMAGE, PATIENCE, Node

NAMESPACE = "registry-admission"
DEPLOYMENT = f"deployment/{NAMESPACE}"
IN_NAMESPACE = f"--namespace={NAMESPACE}"
SELECTOR = f"--selector=app.kubernetes.io/name={NAMESPACE}"
T = TypeVar("T")


def present(node: Node) -> None:
    """Install the service if it is missing, and wait until every replica is ready."""
    if node.kubectl("get", DEPLOYMENT, IN_NAMESPACE, check=False).returncode:
        installed(node)
    rolled_out(node)


def installed(node: Node, *options: str) -> None:
    """Run `install --apply`, and wait until every replica is ready."""
    done = run(node, "install", "--image", IMAGE, *options, "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    rolled_out(node)


def overlaid(node: Node, name: str) -> None:
    """Apply an overlay with the image set, and wait until every replica is ready."""
    manifests = [with_image(one) for one in overlays.overlay(node, name)]
    assert overlays.apply(node, manifests) == "", "the API server warns of nothing"
    rolled_out(node)


def rolled_out(node: Node, what: str = DEPLOYMENT) -> None:
    status = ("rollout", "status", what, IN_NAMESPACE, f"--timeout={PATIENCE:g}s")
    node.kubectl(*status, timeout=PATIENCE + 10)


def uninstalled(node: Node) -> None:
    """Remove everything of an installation, the namespace as well."""
    node.end_pods(NAMESPACE)
    gone = installing.leftovers(NAMESPACE, and_namespace=True)
    text = yaml.safe_dump_all(gone)
    node.kubectl("delete", "--ignore-not-found", "--wait=false", "--filename=-", input=text)
    node.delete("namespace", NAMESPACE)


def pods(node: Node) -> list[dict[str, Any]]:
    """The Pods of the service that are not being deleted."""
    listed = node.kubectl("get", "pods", IN_NAMESPACE, SELECTOR, "--output=json").stdout
    found = json.loads(listed)["items"]
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def logs(node: Node) -> dict[str, list[str]]:
    """The lines that each Pod has written."""
    names = [one["metadata"]["name"] for one in pods(node)]
    return {name: node.kubectl("logs", IN_NAMESPACE, name).stdout.splitlines() for name in names}


def metrics(node: Node, pod: str) -> str:
    """The content of a Pod's /metrics, read through the API server."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/https:{pod}:8443/proxy/metrics"
    return node.kubectl("get", f"--raw={path}").stdout


def eventually(ask: Callable[[], T], accept: Callable[[T], bool] = bool) -> T:
    """Wait for an answer that is accepted. If none comes in time, show the last one."""
    deadline = time.monotonic() + PATIENCE
    while not accept(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
    return answer


def leftovers(node: Node, before: Iterable[str]) -> list[str]:
    """The objects that were added to the cluster, as `kind/namespace/name`."""
    return sorted(set(everything(node)) - set(before))


def everything(node: Node) -> list[str]:
    """All objects that can be listed, without Events and objects that Kubernetes makes itself."""
    kinds = node.kubectl("api-resources", "--verbs=list", "--output=name").stdout.split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(("events", "componentstatus")))
    columns = "custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name"
    listed = node.kubectl(
        "get", wanted, "--all-namespaces", "--no-headers", f"--output={columns}"
    ).stdout
    return ["/".join(line.split()) for line in listed.splitlines()]


def with_image(manifest: Manifest) -> Manifest:
    """The manifest with the built image in its containers, if it has containers."""
    if manifest["kind"] == "Deployment":
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE
    return manifest
