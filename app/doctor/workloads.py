"""Deployments with fewer ready Pods than they should have."""

from collections.abc import Iterator

from app.doctor.finding import Finding, title
from app.doctor.snapshot import Snapshot
from app.model.webhooks import WEBHOOK_KINDS
from app.model.workloads import Deployment, EndpointSlice

SERVICE = "registry-admission"
"""The name of this service's Deployment, Service and webhook configurations."""


def check_registry(snapshot: Snapshot) -> Iterator[Finding]:
    """Check the Deployments of the registry's namespace: registry, operator, Image API."""
    for deployment in snapshot.all(Deployment, snapshot.registry_namespace):
        yield from _readiness(deployment)


def check_service(snapshot: Snapshot) -> Iterator[Finding]:
    """Check this service's replicas, and that its Service has endpoints."""
    namespace = snapshot.service_namespace
    deployment = snapshot.find(Deployment, SERVICE, namespace)
    if deployment is not None:
        yield from _readiness(deployment)
    elif not any(snapshot.find(kind, SERVICE) for kind in WEBHOOK_KINDS):
        return
    slices = [item for item in snapshot.all(EndpointSlice, namespace) if item.service == SERVICE]
    if not any(endpoint.conditions.ready for item in slices for endpoint in item.endpoints):
        yield Finding(
            "error",
            "NoEndpoints",
            title("Service", SERVICE, namespace),
            "it has no ready endpoint, so no replica answers reviews: every push is refused",
            (
                f"kubectl -n {namespace} get endpointslices,pods",
                f"kubectl -n {namespace} logs deployment/{SERVICE} --tail=50",
            ),
        )


def _readiness(deployment: Deployment) -> Iterator[Finding]:
    wanted, ready = deployment.spec.replicas, deployment.status.ready_replicas
    if ready >= wanted:
        return
    namespace, name = deployment.metadata.namespace, deployment.metadata.name
    yield Finding(
        "warning" if ready else "error",
        "ReplicasNotReady",
        deployment.title,
        f"{ready} of {wanted} replicas are ready",
        (
            f"kubectl -n {namespace} describe deployment {name}",
            f"kubectl -n {namespace} get pods",
        ),
        tuple(str(item) for item in deployment.status.conditions if item.status != "True"),
    )
