"""How full limits are: used, reserved, hard and left."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.model.domain import ApiDomain
from app.model.limits import Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.quota.in_flight import NO_STREAM_IN_FLIGHT, NOTHING_IN_FLIGHT, InFlight
from app.quota.usage import NamespaceUsage

Kind = Literal["Namespace", "ImageStream", "Image"]


@dataclass(frozen=True, slots=True)
class Level:
    """One count, or one size in bytes, and its limit."""

    kind: Kind
    name: str
    """The name of the namespace or stream, or the digest of the image."""
    resource: str
    """`alauda.io/image-tags`, `storage`."""
    used: int
    hard: Quantity | None = None
    """The limit; None if there is none."""
    source: str = ""
    """The object that sets the limit, such as `ResourceQuota image-registry-quota`."""
    reserved: int = 0
    """Admitted and not yet seen stored; counts in addition to `used`."""

    @property
    def left(self) -> int | None:
        """The room that is left, negative if the limit is exceeded; None without a limit."""
        return None if self.hard is None else self.hard.floor - self.used - self.reserved

    @property
    def over(self) -> int:
        """The excess of stored members over the limit."""
        return 0 if self.hard is None else max(0, self.used - self.hard.floor)

    @property
    def percent(self) -> int | None:
        """Used and reserved, in percent of the limit, rounded down; 100 for a limit of zero; None
        without a limit."""
        if self.hard is None:
            return None
        counted = self.used + self.reserved
        return counted * 100 // self.hard.floor if self.hard.floor > 0 else 100


def of_namespace(
    namespace: str,
    usage: NamespaceUsage,
    limits: NamespaceLimits,
    domain: ApiDomain,
    in_flight: InFlight = NOTHING_IN_FLIGHT,
) -> Iterator[Level]:
    """The counts of a namespace: those of each ResourceQuota, then those without a quota."""
    counts = {
        domain.imagestreams: (usage.stream_count, in_flight.imagestreams),
        domain.images: (usage.image_count, in_flight.images),
        domain.image_tags: (usage.tag_count, in_flight.image_tags),
    }
    limited = set()
    for quota in limits.quotas:
        hard = (quota.imagestreams, quota.images, quota.image_tags)
        for (resource, (used, reserved)), limit in zip(counts.items(), hard, strict=True):
            if limit is not None:
                limited.add(resource)
                source = f"ResourceQuota {quota.source}"
                yield Level("Namespace", namespace, resource, used, limit, source, reserved)
    for resource, (used, reserved) in counts.items():
        if resource not in limited:
            yield Level("Namespace", namespace, resource, used, reserved=reserved)


def of_streams(
    usage: NamespaceUsage,
    limits: NamespaceLimits,
    domain: ApiDomain,
    in_flight: InFlight = NOTHING_IN_FLIGHT,
) -> Iterator[Level]:
    """The counts of each stream, in alphabetical order."""
    for name in sorted({*usage.streams, *in_flight.streams}):
        reserved = in_flight.streams.get(name, NO_STREAM_IN_FLIGHT)
        images, tags = usage.image_count_of(name), usage.tag_count_of(name)
        yield _of("ImageStream", name, domain.images, images, limits.stream_images, reserved.images)
        yield _of(
            "ImageStream", name, domain.image_tags, tags, limits.stream_tags, reserved.image_tags
        )


def of_image(digest: str, size: int, limits: NamespaceLimits) -> Level:
    """The size of an image and the largest size that the namespace allows."""
    return _of("Image", digest, "storage", size, limits.image_size)


def _of(
    kind: Kind, name: str, resource: str, used: int, limit: Limit | None, reserved: int = 0
) -> Level:
    if limit is None:
        return Level(kind, name, resource, used, reserved=reserved)
    return Level(kind, name, resource, used, limit.max, f"LimitRange {limit.source}", reserved)
