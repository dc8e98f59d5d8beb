"""Computes `ResourceQuota.status` for the resource names of the API domain."""

from typing import Any

from app.model.domain import ApiDomain
from app.model.limits import ResourceQuota
from app.model.quantity import Quantity
from app.quota.usage import NamespaceUsage


def status_patch(
    quota: ResourceQuota, usage: NamespaceUsage, domain: ApiDomain
) -> dict[str, Any] | None:
    """A merge patch that corrects `hard` and `used`; None if both are right.

    It has only the domain's names. The quota controller computes the others. A name that is no
    longer in `spec.hard` is removed from the status.
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
