"""What `ResourceQuota.status` has to say about the domain's names."""

from typing import Any

from app.model.domain import ApiDomain
from app.model.limits import ResourceQuota
from app.model.quantity import Quantity
from app.quota.usage import NamespaceUsage


def status_patch(
    quota: ResourceQuota, usage: NamespaceUsage, domain: ApiDomain
) -> dict[str, Any] | None:
    """A merge patch that makes `hard` and `used` true; None if they are.

    Only the domain's names are touched: what the quota controller computes stays its own. A name
    that has left `spec.hard` leaves the status too.
    """
    counts = {
        domain.imagestreams: usage.stream_count,
        domain.images: usage.image_count,
        domain.image_tags: usage.tag_count,
    }
    hard: dict[str, str | None] = {}
    used: dict[str, str | None] = {}
    for name, count in counts.items():
        wanted_hard = quota.spec.hard.get(name)
        wanted_used = None if wanted_hard is None else Quantity.of_count(count)
        if quota.status.hard.get(name) != wanted_hard:
            hard[name] = None if wanted_hard is None else str(wanted_hard)
        if quota.status.used.get(name) != wanted_used:
            used[name] = None if wanted_used is None else str(wanted_used)
    parts = {"hard": hard, "used": used}
    patch = {part: values for part, values in parts.items() if values}
    return {"status": patch} if patch else None
