"""Runs `doctor` on a cluster, and creates broken registries in it."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from app.cli.main import main
from tests.patience import PATIENCE
from tests.registry_objects import REGISTRY, SERVICE, Manifest, namespace

from .cluster import Cluster, build_tools

ACCOUNT = (SERVICE, "registry-admission-doctor")
MANIFESTS = Path(__file__).parents[2] / "manifests"
CONTROLLERS = (
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
)


@dataclass(frozen=True)
class Diagnosis:
    """The output of `doctor -o json`."""

    code: int
    content: dict[str, Any]

    @property
    def reasons(self) -> set[str]:
        return {finding["reason"] for finding in self.content["findings"]}

    @property
    def errors(self) -> set[str]:
        found = self.content["findings"]
        return {item["reason"] for item in found if item["severity"] == "error"}

    def shows(self, reason: str, evidence: str) -> bool:
        found = [item for item in self.content["findings"] if item["reason"] == reason]
        return any(evidence in "\n".join(["", *item["evidence"]]) for item in found)

    def one(self, reason: str) -> dict[str, Any]:
        [finding] = [item for item in self.content["findings"] if item["reason"] == reason]
        return dict(finding)

    @property
    def not_checked(self) -> set[str]:
        return {item["check"] for item in self.content["notChecked"]}


def doctor(*arguments: str | Path) -> Diagnosis:
    answer = CliRunner().invoke(main, ["doctor", "-o", "json", *map(str, arguments)])
    assert answer.exit_code in (0, 1), answer.output
    return Diagnosis(answer.exit_code, json.loads(answer.stdout))


def create(cluster: Cluster, *objects: Manifest) -> None:
    """Create the objects. The `status` of each is written as its controller would."""
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    for item in objects:
        if item.get("status"):
            metadata = item["metadata"]
            cluster.kubectl(
                "patch", _resource(item), metadata["name"], "--subresource=status",
                "--type=merge", *_namespace(metadata), "-p", json.dumps({"status": item["status"]}),
            )  # fmt: skip


def remove(cluster: Cluster, *objects: Manifest) -> None:
    for item in reversed(objects):
        metadata = item["metadata"]
        cluster.kubectl(
            "delete", _resource(item), metadata["name"], *_namespace(metadata),
            "--ignore-not-found", "--timeout=120s", "--grace-period=0", "--force",
        )  # fmt: skip


def _resource(item: Manifest) -> str:
    version, kind = item["apiVersion"], item["kind"].lower()
    group, _, number = version.rpartition("/")
    return f"{kind}.{number}.{group}" if group else kind


def _namespace(metadata: Mapping[str, Any]) -> list[str]:
    return ["--namespace", metadata["namespace"]] if "namespace" in metadata else []


@contextmanager
def registry_cluster(directory: Path) -> Iterator[Cluster]:
    """A cluster with a volume binder, the registry's namespaces and the account of `doctor`."""
    with Cluster(build_tools(), directory) as running:
        running.start_controller_manager(*CONTROLLERS)
        running.install_crds()
        create(running, *map(namespace, (REGISTRY, SERVICE, "team-a", "cpaas-system")))
        running.kubectl("apply", "-k", str(MANIFESTS / "doctor"))
        running.kubectl("wait", "--for=create", "serviceaccount/default", f"-n{REGISTRY}")
        yield running


@contextmanager
def existing(cluster: Cluster, *parts: Manifest) -> Iterator[None]:
    """Create objects, and delete them after the test."""
    try:
        create(cluster, *parts)
        yield
    finally:
        remove(cluster, *parts)


def wait_until_bound(cluster: Cluster) -> None:
    """Wait until the claim of the registry has its volume."""
    bound = "--for=jsonpath={.status.phase}=Bound"
    cluster.kubectl("wait", bound, "--timeout=120s", "pvc/image-registry", f"-n{REGISTRY}")


def settled(viewer: Path, reason: str, evidence: str = "") -> Diagnosis:
    """Run `doctor` until it finds this reason, because controllers need a moment."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = doctor("--kubeconfig", viewer)
        if found.shows(reason, evidence) or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def viewer(cluster: Cluster, directory: Path) -> Path:
    """A kubeconfig of the account that may read and not write."""
    return cluster.account_kubeconfig(directory / "kubeconfig", *ACCOUNT)
