"""Tells whether pruning can make room in full namespaces.

The pruner keeps the newest `keepTagRevisions` entries of each tag's history, however old they are,
and the tag itself. It keeps more if images are younger than `keepYoungerThanDuration` or in use. If
the distinct images of those entries alone fill a limit, pruning cannot bring the namespace under
it. With 0 revisions no entry is sure to be kept.
"""

from collections.abc import Iterator, Sequence

from app.model.domain import ApiDomain
from app.model.limits import Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.model.registry import ImagePrunerSpec
from app.policy.fullness import Level
from app.quota.usage import NamespaceUsage

NOT_COMPARED = "the kept images were not compared with the limits of all namespaces: apply it again"

_DEFAULT_REVISIONS = 3
_TOLD = 3


def kept_revisions(spec: ImagePrunerSpec) -> int:
    """The entries of a tag's history that are kept; 3 if the pruner does not say."""
    return _DEFAULT_REVISIONS if spec.keep_tag_revisions is None else spec.keep_tag_revisions


def staying_full(
    namespace: str,
    usage: NamespaceUsage,
    limits: NamespaceLimits,
    revisions: int,
    domain: ApiDomain,
) -> Iterator[Level]:
    """The limits of a namespace that the kept images and tags alone reach."""
    if revisions < 1:
        return
    kept: int | None = None
    for quota in limits.quotas:
        source = f"ResourceQuota {quota.source}"
        if _full(usage.image_count, quota.images):
            kept = usage.newest_image_count(revisions) if kept is None else kept
            if _full(kept, quota.images):
                yield Level("Namespace", namespace, domain.images, kept, quota.images, source)
        if _full(usage.tag_count, quota.image_tags):
            yield Level(
                "Namespace", namespace, domain.image_tags, usage.tag_count, quota.image_tags, source
            )
    for name, stream in usage.streams.items():
        images, tags = limits.stream_images, limits.stream_tags
        if images and _full(stream.image_count, images.max):
            kept_here = len(stream.newest_images(revisions))
            if _full(kept_here, images.max):
                yield _of_stream(namespace, name, domain.images, kept_here, images)
        if tags and _full(stream.tag_count, tags.max):
            yield _of_stream(namespace, name, domain.image_tags, stream.tag_count, tags)


def warnings(found: Sequence[Level], revisions: int) -> list[str]:
    """Warnings for the fullest namespaces, and the number of others."""
    fullest = sorted(found, key=lambda level: (-(level.percent or 0), level.name, level.resource))
    told = [_told(level, revisions) for level in fullest[:_TOLD]]
    if len(fullest) > _TOLD:
        told.append(f"pruning makes no room under {len(fullest) - _TOLD} more limits that are full")
    return told


def _told(level: Level, revisions: int) -> str:
    where = f"{level.kind} {level.name}"
    limit = f"{level.source} allows {level.hard}"
    if level.resource.endswith("image-tags"):
        return f"{where}: pruning keeps all {level.used} tags, and {limit}; delete tags"
    return (
        f"{where}: pruning keeps {level.used} images, the newest {revisions} of every tag, and "
        f"{limit}; lower spec.keepTagRevisions or delete tags"
    )


def _full(count: int, limit: Quantity | None) -> bool:
    return limit is not None and count > 0 and count >= limit.floor


def _of_stream(namespace: str, name: str, resource: str, count: int, limit: Limit) -> Level:
    source = f"LimitRange {limit.source}"
    return Level("ImageStream", f"{namespace}/{name}", resource, count, limit.max, source)
