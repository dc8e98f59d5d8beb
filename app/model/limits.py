"""LimitRange and ResourceQuota objects, and what they come to for one namespace."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import Field

from app.model.base import KubeModel, KubeObject
from app.model.domain import ApiDomain
from app.model.quantity import Quantity

STORAGE = "storage"
"""What a LimitRange item limits of a single image."""


class LimitRangeItem(KubeModel):
    type: str = ""
    max: dict[str, Quantity] = Field(default_factory=dict)
    min: dict[str, Quantity] = Field(default_factory=dict)
    default: dict[str, Quantity] = Field(default_factory=dict)
    default_request: dict[str, Quantity] = Field(default_factory=dict)
    max_limit_request_ratio: dict[str, Quantity] = Field(default_factory=dict)


class LimitRangeSpec(KubeModel):
    limits: list[LimitRangeItem] = Field(default_factory=list)


class LimitRange(KubeObject):
    kind: str = "LimitRange"
    spec: LimitRangeSpec = Field(default_factory=LimitRangeSpec)


class ResourceQuotaSpec(KubeModel):
    hard: dict[str, Quantity] = Field(default_factory=dict)
    scopes: list[str] = Field(default_factory=list)
    scope_selector: dict[str, Any] | None = None


class ResourceQuotaStatus(KubeModel):
    hard: dict[str, Quantity] = Field(default_factory=dict)
    used: dict[str, Quantity] = Field(default_factory=dict)


class ResourceQuota(KubeObject):
    kind: str = "ResourceQuota"
    spec: ResourceQuotaSpec = Field(default_factory=ResourceQuotaSpec)
    status: ResourceQuotaStatus = Field(default_factory=ResourceQuotaStatus)


def own_part_of_limit_range(domain: ApiDomain, content: Mapping[str, Any]) -> dict[str, Any]:
    """A stored LimitRange without everything that belongs to others, whatever that holds."""
    types = {
        domain.image_type: (STORAGE,),
        domain.stream_type: (domain.images, domain.image_tags),
    }
    limits = _at(content, "spec", "limits")
    ours = [
        {"type": name, "max": _named(item.get("max"), resources)}
        for item in (limits if isinstance(limits, list) else [])
        for name, resources in types.items()
        if isinstance(item, dict) and item.get("type") == name
    ]
    return {"metadata": _identity(content), "spec": {"limits": ours}}


def own_part_of_quota(domain: ApiDomain, content: Mapping[str, Any]) -> dict[str, Any]:
    """A stored ResourceQuota without everything that belongs to others, whatever that holds."""
    names = (domain.imagestreams, domain.images, domain.image_tags)
    status = {part: _named(_at(content, "status", part), names) for part in ("hard", "used")}
    hard = _named(_at(content, "spec", "hard"), names)
    return {"metadata": _identity(content), "spec": {"hard": hard}, "status": status}


def _identity(content: Mapping[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata") or {}
    return {key: metadata[key] for key in ("namespace", "name", "uid") if key in metadata}


def _at(content: Mapping[str, Any], field: str, inner: str) -> Any:
    outer = content.get(field)
    return outer.get(inner) if isinstance(outer, dict) else None


def _named(quantities: Any, names: Iterable[str]) -> dict[str, Any]:
    if not isinstance(quantities, dict):
        return {}
    return {name: quantities[name] for name in names if name in quantities}


Named = TypeVar("Named", LimitRange, ResourceQuota)


@dataclass(frozen=True)
class Limit:
    """One maximum and the LimitRange that sets it."""

    source: str
    max: Quantity


@dataclass(frozen=True)
class HardLimits:
    """One ResourceQuota: counts by the domain's resource names."""

    source: str
    imagestreams: Quantity | None = None
    images: Quantity | None = None
    image_tags: Quantity | None = None


@dataclass(frozen=True)
class NamespaceLimits:
    """Everything that limits one namespace: the lowest LimitRange maxima, and every quota."""

    image_size: Limit | None = None
    stream_images: Limit | None = None
    stream_tags: Limit | None = None
    quotas: tuple[HardLimits, ...] = field(default=())

    @property
    def limits_members(self) -> bool:
        """Whether streams, images or tags are limited, so that a push must be counted."""
        return bool(self.quotas or self.stream_images or self.stream_tags)


NO_LIMITS = NamespaceLimits()


def namespace_limits(
    domain: ApiDomain, limit_ranges: Iterable[LimitRange], quotas: Iterable[ResourceQuota]
) -> NamespaceLimits:
    """Combine one namespace's objects.

    The lowest `max` over all LimitRanges wins; every ResourceQuota applies by itself. A quota
    with scopes counts as one without: no image has a scope, and a limit that someone wrote
    down is not dropped silently.
    """
    ranges = list(limit_ranges)
    hard_limits = (_hard_limits(domain, quota) for quota in quotas)
    return NamespaceLimits(
        image_size=_lowest(ranges, domain.image_type, STORAGE),
        stream_images=_lowest(ranges, domain.stream_type, domain.images),
        stream_tags=_lowest(ranges, domain.stream_type, domain.image_tags),
        quotas=tuple(sorted(filter(None, hard_limits), key=lambda hard: hard.source)),
    )


def overlaid(present: Iterable[Named], proposed: Iterable[Named]) -> list[Named]:
    """The objects of one kind and namespace as they are once `proposed` ones are applied."""
    applied = list(proposed)
    names = {item.metadata.name for item in applied}
    return [item for item in present if item.metadata.name not in names] + applied


def _lowest(limit_ranges: list[LimitRange], item_type: str, resource: str) -> Limit | None:
    found = [
        Limit(limit_range.metadata.name, item.max[resource])
        for limit_range in limit_ranges
        for item in limit_range.spec.limits
        if item.type == item_type and resource in item.max
    ]
    return min(found, key=lambda limit: (limit.max, limit.source), default=None)


def _hard_limits(domain: ApiDomain, quota: ResourceQuota) -> HardLimits | None:
    hard = quota.spec.hard
    limits = HardLimits(
        quota.metadata.name,
        hard.get(domain.imagestreams),
        hard.get(domain.images),
        hard.get(domain.image_tags),
    )
    return None if limits == HardLimits(quota.metadata.name) else limits
