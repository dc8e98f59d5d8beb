"""The aggregated Image API, without which there are no ImageStreams and no pushes."""

from collections.abc import Iterator

from app.doctor.finding import Finding, title
from app.doctor.snapshot import Snapshot
from app.model.stored import APIService


def check(snapshot: Snapshot) -> Iterator[Finding]:
    name = f"v1.{snapshot.domain.image_group}"
    look = f"kubectl get apiservice {name} -o yaml"
    service = snapshot.find(APIService, name)
    if service is None:
        yield Finding(
            "error",
            "ImageAPINotInstalled",
            title("APIService", name),
            "the Image API is not installed: there are no ImageStreams, and no push can end",
            (look, f"kubectl -n {snapshot.registry_namespace} get deployments"),
        )
        return
    for condition in service.status.conditions:
        if condition.type == "Available" and condition.status != "True":
            yield Finding(
                "error",
                "ImageAPIUnavailable",
                service.title,
                "the API server does not reach the Image API: pushes and pulls fail",
                (look, f"kubectl -n {snapshot.registry_namespace} get deployments,pods"),
                (str(condition),),
            )
