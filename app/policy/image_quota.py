"""Checks the number of streams, images and tags of a namespace and of each stream.

For a namespace, every ResourceQuota applies by itself. For a stream, the lowest maximum of all
LimitRanges applies. Messages have the form of the API server's own quota and of OpenShift's image
limits.
"""

from app.model.domain import ApiDomain
from app.model.limits import HardLimits, Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.policy.new_limit import NewLimit
from app.policy.verdict import Verdict
from app.quota.change import Assessment, CountChange, NamespaceChange, StreamChange
from app.quota.members import Claims


def check(
    claims: Claims, assessment: Assessment, limits: NamespaceLimits, domain: ApiDomain
) -> Verdict:
    """Compare a request's claims with all limits of its namespace."""
    verdict = Verdict()
    for quota in limits.quotas:
        _check_quota(verdict, claims, assessment.namespace, quota, domain)
    if limits.stream_images or limits.stream_tags:
        for stream, change in sorted(assessment.streams.items()):
            _check_stream(verdict, stream, claims, change, limits, domain)
    return verdict


def _check_quota(
    verdict: Verdict, claims: Claims, change: NamespaceChange, quota: HardLimits, domain: ApiDomain
) -> None:
    rows = (
        (domain.imagestreams, change.imagestreams, quota.imagestreams),
        (domain.images, change.images, quota.images),
        (domain.image_tags, change.image_tags, quota.image_tags),
    )
    over = [
        (name, count, hard)
        for name, count, hard in rows
        if hard is not None and count.exceeds(hard.floor)
    ]
    if not over:
        return
    requested = ",".join(f"{name}={count.requested}" for name, count, _ in over)
    used = ",".join(f"{name}={count.used}" for name, count, _ in over)
    limited = ",".join(f"{name}={_plain(hard)}" for name, _, hard in over)
    verdict.exceed(
        "QuotaExceeded",
        f"exceeded quota: {quota.source}, requested: {requested}, used: {used}, limited: {limited}",
        f"delete {_nouns(over, domain)} that are not needed in namespace {claims.namespace}, "
        f"or raise spec.hard of ResourceQuota {claims.namespace}/{quota.source}",
        quota.mode,
        remedy=NewLimit(
            "ResourceQuota",
            claims.namespace,
            quota.source,
            tuple((name, str(count.after)) for name, count, _ in over),
        ),
    )


def _check_stream(
    verdict: Verdict,
    stream: str,
    claims: Claims,
    change: StreamChange,
    limits: NamespaceLimits,
    domain: ApiDomain,
) -> None:
    rows: tuple[tuple[str, str, CountChange, Limit | None], ...] = (
        (domain.images, "images", change.images, limits.stream_images),
        (domain.image_tags, "tags", change.image_tags, limits.stream_tags),
    )
    for name, noun, count, lowest in rows:
        for limit in lowest.each if lowest else ():
            if not count.exceeds(limit.max.floor):
                break
            verdict.exceed(
                "StreamLimitExceeded",
                f"requested usage of {name} exceeds the maximum limit per {domain.stream_type} "
                f"({count.after} > {_plain(limit.max)}) in ImageStream "
                f"{claims.namespace}/{stream}, requested: {count.requested}, used: {count.used}",
                f"delete {noun} of the stream that are not needed, or raise max of {name} in "
                f"LimitRange {claims.namespace}/{limit.source}",
                limit.mode,
                remedy=NewLimit(
                    "LimitRange",
                    claims.namespace,
                    limit.source,
                    ((name, str(count.after)),),
                    domain.stream_type,
                    limit.position,
                ),
            )


def _plain(limit: Quantity) -> str:
    """A limit as a plain number: `1000` for `1k`."""
    return str(limit.value if limit.is_integer else limit)


def _nouns(over: list[tuple[str, CountChange, Quantity]], domain: ApiDomain) -> str:
    return " and ".join(name.removeprefix(f"{domain.name}/") for name, _, _ in over)
