"""The registry's storage on the cluster of the tests, and the answers to writes of it."""

import json
import shlex
from typing import Any

from app.install.kustomization import Manifest

from .cluster import Cluster
from .domain import DOMAIN, REGISTRY
from .replicas import Replicas

IN_REGISTRY = f"--namespace={REGISTRY}"
CONFIG = f"imageregistry.operator.{DOMAIN}/v1"
ACCESS, CONFIDENTIAL = "AKIAunguessable", "Xq7unguessable"


class Answering(Replicas):
    """Replicas with `failurePolicy: Fail`: a missing answer must not count as an admission."""

    def _configuration(self, manifest: Manifest) -> Manifest:
        found = super()._configuration(manifest)
        for webhook in found["webhooks"]:
            webhook["failurePolicy"] = "Fail"
        return found


def created_by(command: str) -> list[str]:
    """The arguments of a command for kubectl, with keys in place of its placeholders."""
    filled = command.replace("<access-key-id>", ACCESS)
    program, *arguments = shlex.split(filled.replace("<secret-access-key>", CONFIDENTIAL))
    assert program == "kubectl"
    return arguments


def created(cluster: Cluster, kind: str, name: str, **content: Any) -> None:
    manifest = {
        "apiVersion": "v1", "kind": kind, **content,
        "metadata": {"name": name, "namespace": REGISTRY, "labels": {"of": "test"}},
    }  # fmt: skip
    cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))


def claim(cluster: Cluster, name: str, mode: str = "ReadWriteOnce", **spec: Any) -> None:
    request = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    created(cluster, "PersistentVolumeClaim", name, spec=request)
    released(cluster, name)


def released(cluster: Cluster, name: str) -> None:
    """Remove the finalizer of the claim: its controller does not run here."""
    patch = '--patch={"metadata":{"finalizers":null}}'
    cluster.kubectl("patch", "pvc", name, IN_REGISTRY, "--type=merge", patch)


def tried(cluster: Cluster, spec: dict[str, Any], kind: str = "Config") -> tuple[int, list[str]]:
    """The exit code of kubectl when it creates an object, and the lines that it warns with."""
    content = {"apiVersion": CONFIG, "kind": kind, "metadata": {"name": "cluster"}, "spec": spec}
    result = cluster.kubectl(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(content), check=False
    )
    return result.returncode, result.stderr.splitlines()


def s3(**trust: str) -> dict[str, Any]:
    s3 = {"bucket": "images", "region": "eu-1", **({"trustedCA": trust} if trust else {})}
    return {"storage": {"s3": s3}}
