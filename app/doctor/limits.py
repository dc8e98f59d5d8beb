"""Limits that are exceeded, and ResourceQuotas whose status.used is wrong."""

from collections import defaultdict
from collections.abc import Iterator

from app.doctor.finding import Finding, listed
from app.doctor.snapshot import Snapshot
from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.limits import LimitRange, NamespaceLimits, ResourceQuota, namespace_limits
from app.policy import fullness
from app.policy.fullness import Level
from app.policy.image_weight import known_sizes
from app.quota.status import status_patch


def check_counts(snapshot: Snapshot) -> Iterator[Finding]:
    """Report namespaces and streams that are over their limits."""
    usage = snapshot.images().usage
    for namespace, limits in _limits(snapshot).items():
        levels = [
            *fullness.of_namespace(namespace, usage[namespace], limits, snapshot.domain),
            *fullness.of_streams(usage[namespace], limits, snapshot.domain),
        ]
        for level in levels:
            if level.over:
                yield _over(snapshot.domain, namespace, level)


def check_sizes(snapshot: Snapshot) -> Iterator[Finding]:
    """Report images that are larger than the present LimitRange allows."""
    usage = snapshot.images().usage
    limited = {name: each for name, each in _limits(snapshot).items() if each.image_size}
    if not limited:
        return
    claims = {image.digest: image.claim for image in snapshot.all(Image)}
    sizes = known_sizes(claims, claims)
    for namespace, limits in limited.items():
        used = usage[namespace]
        digests = sorted({digest for name in used.streams for digest in used.images_of(name)})
        levels = [
            fullness.of_image(digest, size, limits)
            for digest in digests
            if (size := sizes.get(digest)) is not None
        ]
        over = sorted((level for level in levels if level.over), key=lambda level: -level.used)
        if over:
            yield Finding(
                "warning",
                "ImagesAboveLimit",
                f"{over[0].source.replace(' ', f' {namespace}/', 1)}",
                f"{len(over)} images are larger than max.storage {over[0].hard}: they stay, and "
                "no tag can be set to them",
                (
                    f"kubectl -n {namespace} describe limitrange",
                    f"kubectl get images.{snapshot.domain.image_group} {over[0].name} -o yaml",
                ),
                tuple(f"{level.name} has {level.used} bytes" for level in over[:5]),
            )


def check_status(snapshot: Snapshot) -> Iterator[Finding]:
    """Report ResourceQuotas whose status.used differs from the real use."""
    usage = snapshot.images().usage
    for quota in snapshot.of_tenants(ResourceQuota):
        namespace = quota.metadata.namespace
        if "status" not in quota.model_fields_set:
            continue
        patch = status_patch(quota, usage[namespace], snapshot.domain)
        if patch is None:
            continue
        true = {name: value for part in patch["status"].values() for name, value in part.items()}
        yield Finding(
            "warning",
            "QuotaStatusStale",
            quota.title,
            f"its status is not what is stored for {listed(sorted(true))}: does the service write "
            "it?",
            (
                f"kubectl -n {namespace} describe quota {quota.metadata.name}   "
                "# again: it follows within seconds",
                f"kubectl -n {snapshot.service_namespace} get lease,pods",
            ),
            tuple(
                f"{name}: status.used {quota.status.used.get(name, 'missing')}, stored "
                f"{patch['status'].get('used', {}).get(name, quota.status.used.get(name))}"
                for name in sorted(true)
            ),
        )


def _limits(snapshot: Snapshot) -> dict[str, NamespaceLimits]:
    ranges: dict[str, list[LimitRange]] = defaultdict(list)
    quotas: dict[str, list[ResourceQuota]] = defaultdict(list)
    for limit_range in snapshot.of_tenants(LimitRange):
        ranges[limit_range.metadata.namespace].append(limit_range)
    for quota in snapshot.of_tenants(ResourceQuota):
        quotas[quota.metadata.namespace].append(quota)
    return {
        namespace: namespace_limits(snapshot.domain, ranges[namespace], quotas[namespace])
        for namespace in sorted({*ranges, *quotas})
    }


def _over(domain: ApiDomain, namespace: str, level: Level) -> Finding:
    quota = level.kind == "Namespace"
    where = "" if quota else f" in ImageStream {level.name}"
    kind, _, name = level.source.partition(" ")
    look = "resourcequota" if quota else "limitrange"
    return Finding(
        "warning",
        "QuotaExceeded" if quota else "LimitRangeExceeded",
        f"{kind} {namespace}/{name}",
        f"{level.used} {level.resource}{where}, over the limit of {level.hard}: nothing is "
        "deleted, and pushes that add more are refused",
        (
            f"kubectl -n {namespace} describe {look} {name}",
            f"kubectl -n {namespace} get imagestreams.{domain.image_group}",
        ),
    )
