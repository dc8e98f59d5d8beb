"""What of a namespace passes its limits, what takes most room in it, and which tags are oldest.

Limits refuse what is new and delete nothing: what is over them now stays, and cannot grow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.usage import NamespaceUsage

Tag = tuple[str, str]
"""(stream, tag)"""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LargeImage:
    digest: str
    size: int
    """Bytes."""
    tags: tuple[str, ...]
    """`stream:tag` of each tag that points, or has pointed, at it."""


@dataclass(frozen=True)
class OldTag:
    name: str
    """`stream:tag`."""
    pushed: datetime | None
    """When it was last pushed; None if that is not known."""


@dataclass(frozen=True)
class NamespaceAudit:
    namespace: str
    over: tuple[Level, ...]
    """What passes a limit, the worst first."""
    unlimited: bool
    """Whether nothing limits the namespace."""
    unknown_sizes: int
    """Images that may be too large, because nobody knows how large they are."""
    largest: tuple[LargeImage, ...]
    """The largest images, largest first."""
    oldest: tuple[OldTag, ...]
    """Tags to delete first where there are too many tags or images, oldest first."""


def audit(
    namespace: str,
    usage: NamespaceUsage,
    limits: NamespaceLimits,
    *,
    sizes: Mapping[str, int],
    pushed: Mapping[Tag, datetime],
    domain: ApiDomain,
    top: int,
) -> NamespaceAudit:
    """Hold a namespace against limits.

    `sizes` has the bytes of the images that are known, `pushed` the times of the tags that are
    known; `top` is how many images and tags are listed.
    """
    tags_of = _tags_of(usage)
    levels = [
        *fullness.of_namespace(namespace, usage, limits, domain),
        *fullness.of_streams(usage, limits, domain),
        *(
            fullness.of_image(digest, sizes[digest], limits)
            for digest in sorted(tags_of.keys() & sizes.keys())
        ),
    ]
    over = sorted((level for level in levels if level.over), key=lambda level: -_excess(level))
    largest = sorted(tags_of.keys() & sizes.keys(), key=lambda digest: (-sizes[digest], digest))
    unknown = len(tags_of.keys() - sizes.keys())
    return NamespaceAudit(
        namespace,
        tuple(over),
        unlimited=limits.image_size is None and not limits.limits_members,
        unknown_sizes=unknown if limits.image_size else 0,
        largest=tuple(
            LargeImage(digest, sizes[digest], tuple(sorted(tags_of[digest])))
            for digest in largest[:top]
        ),
        oldest=_oldest(over, usage, pushed, domain)[:top],
    )


def _excess(level: Level) -> float:
    """By what part of the limit it is passed; a limit of zero is passed without end."""
    hard = level.hard.floor if level.hard else 0
    return level.over / hard if hard > 0 else float("inf")


def _tags_of(usage: NamespaceUsage) -> dict[str, list[str]]:
    """The tags of each image of a namespace."""
    found: dict[str, list[str]] = {}
    for name, stream in usage.streams.items():
        for tag in stream.tags:
            for digest in stream.history(tag):
                found.setdefault(digest, []).append(f"{name}:{tag}")
    return found


def _oldest(
    over: list[Level], usage: NamespaceUsage, pushed: Mapping[Tag, datetime], domain: ApiDomain
) -> tuple[OldTag, ...]:
    """The tags of the streams that are too full, or of all streams if the namespace is."""
    crowded = [level for level in over if level.resource in (domain.images, domain.image_tags)]
    streams = {level.name for level in crowded if level.kind == "ImageStream"}
    if any(level.kind == "Namespace" for level in crowded):
        streams = set(usage.streams)
    tags = [(name, tag) for name in streams for tag in usage.streams[name].tags]
    # A tag of unknown age is not proposed before one that is known to be old.
    tags.sort(key=lambda tag: (tag not in pushed, pushed.get(tag, _LONG_AGO), tag))
    return tuple(OldTag(f"{name}:{tag}", pushed.get((name, tag))) for name, tag in tags)
