"""Audits one namespace: which limits are exceeded, the largest images and the oldest tags.

Limits refuse new objects and delete nothing. Objects over a limit stay, and cannot grow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage
from app.reporting.images import LargeImage, largest_images, tags_of
from app.reporting.stored_bytes import NamespaceBytes

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
_LEAST = {"high": 1.0, "medium": 0.1}
"""Minimum excess as a fraction of the limit: 1.0 (used ≥ 2 × hard) is high."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class OldTag:
    name: str
    """`stream:tag`."""
    pushed: datetime | None
    """The time of its last push; None if it is not known."""


@dataclass(frozen=True)
class Limited:
    """One limit of a namespace and how it is used."""

    source: str
    """`ResourceQuota image-registry-quota`."""
    resource: str


@dataclass(frozen=True)
class NamespaceAudit:
    namespace: str
    over: tuple[Level, ...]
    """Exceeded limits, worst first."""
    met: tuple[Limited, ...]
    """Limits that are kept."""
    unlimited: bool
    """Whether the namespace has no limit."""
    unknown_sizes: int
    """The number of images of unknown size, which may be too large."""
    largest: tuple[LargeImage, ...]
    """The largest images, largest first."""
    oldest: tuple[OldTag, ...]
    """The tags to delete first if there are too many tags or images, oldest first."""
    tags: Mapping[str, Sequence[str]]
    """The tags, `stream:tag`, of each image that is too large, by digest."""
    stored: NamespaceBytes | None = None
    """What its images store; None if that was not read."""

    @property
    def severity(self) -> Severity | None:
        """The severity of the worst excess; None if no limit is exceeded."""
        return severity(self.over[0]) if self.over else None


def severity(level: Level) -> Severity:
    """The severity of one exceeded limit."""
    excess = _excess(level)
    return next((name for name in SEVERITIES if excess >= _LEAST.get(name, 0.0)), "low")


def worst_first(audits: list[NamespaceAudit]) -> list[NamespaceAudit]:
    """Sort by the worst excess, then by the number of exceeded limits, both descending; then by
    namespace."""
    return sorted(
        audits,
        key=lambda item: (
            -_excess(item.over[0]) if item.over else 0.0,
            -len(item.over),
            item.namespace,
        ),
    )


def audit(
    namespace: str,
    usage: NamespaceUsage,
    limits: NamespaceLimits,
    *,
    sizes: Mapping[str, int],
    pushed: Mapping[StreamTag, datetime],
    domain: ApiDomain,
    top: int,
    stored: NamespaceBytes | None = None,
) -> NamespaceAudit:
    """Compare a namespace with its limits.

    `sizes`: bytes of each image with a known size, by digest. `pushed`: the push time of each tag
    where it is known. `top`: the number of images and tags to list. `stored`: what its images
    store, if that was read.
    """
    tags = tags_of(usage)
    levels = [
        *fullness.of_namespace(namespace, usage, limits, domain),
        *fullness.of_streams(usage, limits, domain),
        *(
            fullness.of_image(digest, sizes[digest], limits)
            for digest in sorted(tags.keys() & sizes.keys())
        ),
    ]
    over = sorted((level for level in levels if level.over), key=lambda level: -_excess(level))
    exceeded = {Limited(level.source, level.resource) for level in over}
    return NamespaceAudit(
        namespace,
        tuple(over),
        tuple(limited for limited in _limited(limits, domain) if limited not in exceeded),
        unlimited=limits.image_size is None and not limits.limits_members,
        unknown_sizes=len(tags.keys() - sizes.keys()) if limits.image_size else 0,
        largest=largest_images(tags, sizes, top),
        oldest=_oldest(over, usage, pushed, domain)[:top],
        tags={level.name: sorted(tags[level.name]) for level in over if level.kind == "Image"},
        stored=stored,
    )


def _limited(limits: NamespaceLimits, domain: ApiDomain) -> Iterator[Limited]:
    """Every limit, also those without use."""
    ranges = {
        "storage": limits.image_size,
        domain.images: limits.stream_images,
        domain.image_tags: limits.stream_tags,
    }
    for resource, limit in ranges.items():
        if limit is not None:
            yield Limited(f"LimitRange {limit.source}", resource)
    for quota in limits.quotas:
        hard = (quota.imagestreams, quota.images, quota.image_tags)
        resources = (domain.imagestreams, domain.images, domain.image_tags)
        for resource, count in zip(resources, hard, strict=True):
            if count is not None:
                yield Limited(f"ResourceQuota {quota.source}", resource)


def _excess(level: Level) -> float:
    """The excess as a fraction of the limit; infinite for a limit of zero."""
    hard = level.hard.floor if level.hard else 0
    return level.over / hard if hard > 0 else float("inf")


def _oldest(
    over: list[Level],
    usage: NamespaceUsage,
    pushed: Mapping[StreamTag, datetime],
    domain: ApiDomain,
) -> tuple[OldTag, ...]:
    """The tags of the streams over their limits; of all streams if the namespace is over one."""
    crowded = [level for level in over if level.resource in (domain.images, domain.image_tags)]
    streams = {level.name for level in crowded if level.kind == "ImageStream"}
    if any(level.kind == "Namespace" for level in crowded):
        streams = set(usage.streams)
    tags = [(name, tag) for name in streams for tag in usage.streams[name].tags]
    # Tags of unknown age come after tags that are known to be old.
    tags.sort(key=lambda tag: (tag not in pushed, pushed.get(tag, _LONG_AGO), tag))
    return tuple(OldTag(f"{name}:{tag}", pushed.get((name, tag))) for name, tag in tags)
