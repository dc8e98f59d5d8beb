"""Registries as `doctor` meets them: whole ones, and what can break of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from app.cli.main import main

from .cluster import Cluster

REGISTRY = "image-registry-system"
ACCOUNT = ("registry-admission", "registry-admission-doctor")
CONTROLLERS = (
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
)
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor -o json` printed."""

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
    """Each with its `status`, where it has one: written as its controller would."""
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
            "--ignore-not-found", "--timeout=30s", "--grace-period=0", "--force",
        )  # fmt: skip


def _resource(item: Manifest) -> str:
    version, kind = item["apiVersion"], item["kind"].lower()
    group, _, number = version.rpartition("/")
    return f"{kind}.{number}.{group}" if group else kind


def _namespace(metadata: Mapping[str, Any]) -> list[str]:
    return ["--namespace", metadata["namespace"]] if "namespace" in metadata else []


def config(status: Manifest | None = None, **spec: Any) -> Manifest:
    return {
        "apiVersion": "imageregistry.operator.alauda.io/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {"managementState": "Managed", "replicas": 1, **spec},
        "status": status or {},
    }


def on_claim(name: str = "image-registry") -> Manifest:
    return config(storage={"managementState": "Unmanaged", "pvc": {"claim": name}})


def claim(mode: str = "ReadWriteOnce", size: str = "10Gi", **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "image-registry", "namespace": REGISTRY},
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": size}}, **spec},
    }


def volume(name: str, storage_class: str = "", **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "10Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            "nfs": {"server": "nfs.example.com", "path": "/images"},
            **spec,
        },
    }


def storage_class(name: str, provisioner: str, binding: str = "Immediate") -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": binding,
    }


def pod(name: str, node: str, start: str = "", claim: str = "image-registry") -> Manifest:
    """Of the registry; with a start it runs, without one it waits for its storage."""
    source = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    ready = {"type": "Ready", "status": "True" if start else "False"}
    status = {"phase": "Running" if start else "Pending", "conditions": [ready]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": REGISTRY},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "registry", "image": "registry"}],
            "volumes": [{"name": "registry-storage", **source}],
        },
        "status": {**status, "startTime": start} if start else status,
    }


def event(on: Manifest, reason: str, message: str) -> Manifest:
    metadata = on["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{reason.lower()}", "namespace": REGISTRY},
        "involvedObject": {"kind": on["kind"], "name": metadata["name"], "namespace": REGISTRY},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-01-02T03:04:05Z",
    }


def stream(name: str, digests: Mapping[str, str], created: str, host: str = "") -> Manifest:
    """In namespace team-a, with its tags' digests; pushed to the registry itself."""
    host = host or f"image-registry.{REGISTRY}.svc:5000"
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": "team-a"},
        "status": {
            "tags": [
                {
                    "tag": tag,
                    "items": [
                        {
                            "created": created,
                            "dockerImageReference": f"{host}/team-a/{name}@{digest}",
                            "generation": 1,
                            "image": digest,
                        }
                    ],
                }
                for tag, digest in digests.items()
            ]
        },
    }


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def viewer(cluster: Cluster, directory: Path) -> Path:
    """A kubeconfig of the account that may look, and change nothing."""
    owner, name = ACCOUNT
    token = cluster.kubectl("create", "token", f"--namespace={owner}", name).stdout.strip()
    kubeconfig = directory / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig, token)
    return kubeconfig
