"""The project's kustomize overlays, on the cluster of the tests."""

from pathlib import Path

import yaml

from app.certs.cluster import ClusterCertificates, service_names
from app.cluster.api import KubeApi
from app.install.kustomization import Manifest

from .cluster import Cluster

MANIFESTS = Path(__file__).parents[2] / "manifests"
"""The folder of the manifests."""
NAMESPACE = "registry-admission"
IMAGE = "set-your-own.invalid/registry-admission"
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")


def kustomize(cluster: Cluster, folder: Path) -> list[Manifest]:
    """The output of `kubectl kustomize` for a folder."""
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", str(folder)).stdout))


def overlay(cluster: Cluster, name: str) -> list[Manifest]:
    return kustomize(cluster, MANIFESTS / "overlays" / name)


def apply(cluster: Cluster, manifests: list[Manifest]) -> str:
    """Apply manifests, with force. Returns the warnings of the API server."""
    text = yaml.safe_dump_all(manifests)
    return cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename=-", input=text
    ).stderr


async def certify(api: KubeApi, folder: Path) -> ClusterCertificates:
    """Makes certificates and has the webhooks trust them, as the service does at its start."""
    names = service_names(NAMESPACE, NAMESPACE)
    certificates = ClusterCertificates(api, folder, namespace=NAMESPACE, names=names)
    await certificates.prepare()
    while await certificates.step():
        pass
    return certificates


def remove_webhooks(cluster: Cluster) -> None:
    """Remove the webhooks: no service answers them, so pushes of other tests would fail."""
    for resource in CONFIGURATIONS:
        cluster.kubectl("delete", "--ignore-not-found", resource, NAMESPACE)
