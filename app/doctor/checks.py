"""The list of all checks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from app.doctor import (
    blobs,
    certificates,
    claims,
    image_api,
    legacy,
    limits,
    mounts,
    s3,
    settings,
    storage,
    volumes,
    webhooks,
    workloads,
)
from app.doctor.blobs import Examined
from app.doctor.finding import SEVERITIES, Diagnosis, Finding, NotChecked
from app.doctor.snapshot import NotReadError, Snapshot

Check = Callable[[Snapshot], Iterable[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "PVCs of the registry": claims.check,
        "storage quotas of the registry": claims.check_quotas,
        "PVs of the registry": volumes.check,
        "reclaim policy": volumes.check_reclaim,
        "mounts of the registry's Pods": mounts.check,
        "volume attachments": mounts.check_attachments,
        "ReadWriteOnce volumes": mounts.check_sharing,
        "emptyDir storage": storage.check_empty_dir,
        "changed storage": storage.check_change,
        "former storage": storage.check_former_storage,
        "age of the volume": storage.check_age,
        "redirect to s3": storage.check_redirect,
        "s3 credentials": s3.check_credentials,
        "s3 trustedCA": s3.check_trusted_ca,
        "Config cluster": settings.check_config,
        "ImagePruner cluster": settings.check_pruner,
        "Image API": image_api.check,
        "Deployments of the registry": workloads.check_registry,
        "replicas of the service": workloads.check_service,
        "webhook configurations": webhooks.check,
        "trust of the webhooks": webhooks.check_trust,
        "serving certificate": certificates.check,
        "spelling of limits": settings.check_limits,
        "counts against limits": limits.check_counts,
        "image sizes against limits": limits.check_sizes,
        "status of quotas": limits.check_status,
        "legacy ConfigMap": legacy.check,
    }
)
IMAGE_DATA = "image data"


def diagnose(snapshot: Snapshot, examined: Sequence[Examined] | str) -> Diagnosis:
    """Run every check. A check whose objects were not read is listed with the reason.

    `examined`: the registry's answers, or the reason why it was not asked.
    """
    findings: list[Finding] = []
    not_checked: list[NotChecked] = []
    for name, check in CHECKS.items():
        try:
            findings.extend(check(snapshot))
        except NotReadError as error:
            not_checked.append(NotChecked(name, str(error)))
    if snapshot.unreadable:
        first, count = snapshot.unreadable[0], len(snapshot.unreadable)
        others = f" and {count - 1} more" if count > 1 else ""
        not_checked.append(NotChecked("objects that are not understood", f"{first}{others}"))
    if isinstance(examined, str):
        not_checked.append(NotChecked(IMAGE_DATA, examined))
    else:
        findings += blobs.findings(snapshot, examined)
        unknown = [item for item in examined if item.unknown]
        if unknown:
            why = f"{len(unknown)} of {len(examined)} images: {unknown[0].unknown}"
            not_checked.append(NotChecked(IMAGE_DATA, why))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(tuple(findings), tuple(not_checked), snapshot.read)
