"""LimitRange and ResourceQuota objects, and the limits of a namespace that follow from them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import Field

from app.model.base import KubeModel, KubeObject
from app.model.domain import ApiDomain
from app.model.mode import MODES, Mode
from app.model.quantity import Quantity

_MODES: Mapping[str, Mode] = {mode: mode for mode in MODES}
STORAGE = "storage"
"""The resource by which a LimitRange item limits the size of an image."""


class LimitRangeItem(KubeModel):
    type: str = ""
    max: dict[str, Quantity] = Field(default_factory=dict)
    min: dict[str, Quantity] = Field(default_factory=dict)
    default: dict[str, Quantity] = Field(default_factory=dict)
    default_request: dict[str, Quantity] = Field(default_factory=dict)
    max_limit_request_ratio: dict[str, Quantity] = Field(default_factory=dict)
    position: int | None = None
    """Its place in the stored list if others were left out of this one."""


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
    """A stored LimitRange, reduced to the names of this service. The rest may hold anything."""
    types = {
        domain.image_type: (STORAGE,),
        domain.stream_type: (domain.images, domain.image_tags),
    }
    limits = _at(content, "spec", "limits")
    ours = [
        {"type": name, "max": _named(item.get("max"), resources), "position": position}
        for position, item in enumerate(limits if isinstance(limits, list) else [])
        for name, resources in types.items()
        if isinstance(item, dict) and item.get("type") == name
    ]
    return {"metadata": _identity(domain, content), "spec": {"limits": ours}}


def own_part_of_quota(domain: ApiDomain, content: Mapping[str, Any]) -> dict[str, Any]:
    """A stored ResourceQuota, reduced to the names of this service. The rest may hold anything."""
    names = (domain.imagestreams, domain.images, domain.image_tags)
    status = {part: _named(_at(content, "status", part), names) for part in ("hard", "used")}
    hard = _named(_at(content, "spec", "hard"), names)
    return {"metadata": _identity(domain, content), "spec": {"hard": hard}, "status": status}


def _identity(domain: ApiDomain, content: Mapping[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata") or {}
    own = {key: metadata[key] for key in ("namespace", "name", "uid") if key in metadata}
    annotations = metadata.get("annotations")
    mode = annotations.get(domain.mode_annotation) if isinstance(annotations, dict) else None
    return {**own, "annotations": {domain.mode_annotation: mode}} if mode in MODES else own


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
    """A maximum and the LimitRange that sets it."""

    source: str
    max: Quantity
    mode: Mode | None = None
    """None: the mode for limits that name none."""
    higher: "Limit | None" = None
    """The next maximum with another mode. What exceeds it exceeds this one as well."""
    position: int = field(default=0, compare=False)
    """The place of its item in the list of the LimitRange."""

    @property
    def each(self) -> Iterator["Limit"]:
        """The lowest maximum of each mode, lowest first."""
        limit: Limit | None = self
        while limit is not None:
            yield limit
            limit = limit.higher


@dataclass(frozen=True)
class HardLimits:
    """One ResourceQuota: maximum counts by resource name."""

    source: str
    imagestreams: Quantity | None = None
    images: Quantity | None = None
    image_tags: Quantity | None = None
    mode: Mode | None = None
    """None: the mode for limits that name none."""


@dataclass(frozen=True)
class NamespaceLimits:
    """All limits of one namespace: the lowest maxima of its LimitRanges, and every quota."""

    image_size: Limit | None = None
    stream_images: Limit | None = None
    stream_tags: Limit | None = None
    quotas: tuple[HardLimits, ...] = field(default=())

    @property
    def limits_members(self) -> bool:
        """Whether streams, images or tags are limited, so that pushes must be counted."""
        return bool(self.quotas or self.stream_images or self.stream_tags)


NO_LIMITS = NamespaceLimits()


def namespace_limits(
    domain: ApiDomain, limit_ranges: Iterable[LimitRange], quotas: Iterable[ResourceQuota]
) -> NamespaceLimits:
    """Combine the objects of one namespace.

    The lowest `max` over all LimitRanges applies; every ResourceQuota applies by itself. Scopes of
    a quota are ignored: no image has a scope, and a written limit must not be dropped silently.
    """
    ranges = list(limit_ranges)
    hard_limits = (_hard_limits(domain, quota) for quota in quotas)
    return NamespaceLimits(
        image_size=_lowest(domain, ranges, domain.image_type, STORAGE),
        stream_images=_lowest(domain, ranges, domain.stream_type, domain.images),
        stream_tags=_lowest(domain, ranges, domain.stream_type, domain.image_tags),
        quotas=tuple(sorted(filter(None, hard_limits), key=lambda hard: hard.source)),
    )


def overlaid(present: Iterable[Named], proposed: Iterable[Named]) -> list[Named]:
    """The objects of one kind and namespace after `proposed` ones are applied."""
    applied = list(proposed)
    names = {item.metadata.name for item in applied}
    return [item for item in present if item.metadata.name not in names] + applied


def _lowest(
    domain: ApiDomain, limit_ranges: list[LimitRange], item_type: str, resource: str
) -> Limit | None:
    """The lowest maximum, followed by the lowest of each other mode."""
    lowest: dict[Mode | None, Limit] = {}
    for limit_range in limit_ranges:
        mode = mode_of(domain, limit_range)
        for number, item in enumerate(limit_range.spec.limits):
            if item.type == item_type and resource in item.max:
                position = number if item.position is None else item.position
                name = limit_range.metadata.name
                limit = Limit(name, item.max[resource], mode, position=position)
                lowest[mode] = min(lowest.get(mode, limit), limit, key=_height)
    found: Limit | None = None
    for limit in sorted(lowest.values(), key=_height, reverse=True):
        found = replace(limit, higher=found)
    return found


def strictest(limit: Limit) -> Mode | None:
    """The strictest mode of a maximum. A limit that names no mode may be enforced."""
    order: tuple[Mode | None, ...] = ("enforce", None, "warn", "audit")
    return min((one.mode for one in limit.each), key=order.index)


def _height(limit: Limit) -> tuple[Quantity, str]:
    return limit.max, limit.source


def mode_of(domain: ApiDomain, item: KubeObject) -> Mode | None:
    """The mode that an object names; None for none, or for one that does not exist."""
    return _MODES.get(item.metadata.annotations.get(domain.mode_annotation, ""))


def _hard_limits(domain: ApiDomain, quota: ResourceQuota) -> HardLimits | None:
    hard = quota.spec.hard
    counts = (hard.get(domain.imagestreams), hard.get(domain.images), hard.get(domain.image_tags))
    if counts == (None, None, None):
        return None
    return HardLimits(quota.metadata.name, *counts, mode_of(domain, quota))
