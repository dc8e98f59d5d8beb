"""The project's kustomize overlays, on the cluster of the tests."""

from pathlib import Path

import yaml

from app.kustomization import Manifest

from .cluster import Cluster

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "registry-admission"
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")


def kustomize(cluster: Cluster, folder: Path) -> list[Manifest]:
    """What `kubectl kustomize` prints for a folder."""
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", str(folder)).stdout))


def overlay(cluster: Cluster, name: str) -> list[Manifest]:
    return kustomize(cluster, MANIFESTS / "overlays" / name)


def apply(cluster: Cluster, manifests: list[Manifest]) -> str:
    """Applies manifests; what the API server warns of."""
    text = yaml.safe_dump_all(manifests)
    return cluster.kubectl("apply", "--server-side", "--filename=-", input=text).stderr


def remove_webhooks(cluster: Cluster) -> None:
    """Nobody answers them, so pushes of other tests would wait for nothing."""
    for resource in CONFIGURATIONS:
        cluster.kubectl("delete", "--ignore-not-found", resource, NAMESPACE)
