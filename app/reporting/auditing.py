"""Collects the data for `registry-admission usage` and `audit` from an inventory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.cluster import manifests
from app.cluster.limit_files import LimitFiles
from app.cluster.manifests import ManifestError
from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits, namespace_limits, overlaid
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.in_flight import NOTHING_IN_FLIGHT
from app.quota.usage import NamespaceUsage
from app.reporting.audit import NamespaceAudit, audit
from app.reporting.images import LargeImage, largest_images, tags_of
from app.reporting.inventory import Inventory
from app.reporting.stored_bytes import NamespaceBytes, namespace_bytes


@dataclass(frozen=True)
class NamespaceFullness:
    namespace: str
    totals: tuple[Level, ...]
    streams: tuple[Level, ...]
    reservations: int | None
    """Pushes in flight; None if the ledgers are not readable."""
    largest: tuple[LargeImage, ...]
    """The largest images, largest first."""
    stored: NamespaceBytes | None = None
    """What its images store; None if that was not read."""
    untagged: int = 0
    """Stored images that nothing reaches and that do not count."""
    in_escrow: int | None = None
    """Places that replicas hold; None if the ledgers are not readable."""

    @cached_property
    def fullest(self) -> Level | None:
        """The fullest limit of the namespace and its streams; None if there is no limit."""
        limited = [level for level in (*self.totals, *self.streams) if level.hard is not None]
        return max(limited, key=lambda level: level.percent or 0, default=None)

    @property
    def percent(self) -> int:
        """Used and reserved, in percent of the fullest limit; 0 if there is no limit."""
        return (self.fullest.percent or 0) if self.fullest else 0


async def fullness_of(
    inventory: Inventory,
    domain: ApiDomain,
    namespaces: Sequence[str] = (),
    *,
    top: int = 0,
    with_bytes: bool = False,
) -> list[NamespaceFullness]:
    """Use, reservations and room of these namespaces, or of all.

    `top`: the number of images to list for each. Images are read only if it is above zero, or
    `with_bytes` asks for what they store. Raises ApiError.
    """
    names = namespaces or inventory.namespaces()
    if top or with_bytes:
        count = sum(inventory.usage(name).image_count for name in names)
        await inventory.expect_sizes(count, blobs=with_bytes)
    return [await _fullness(inventory, domain, name, top, with_bytes) for name in names]


async def _fullness(
    inventory: Inventory, domain: ApiDomain, name: str, top: int, with_bytes: bool
) -> NamespaceFullness:
    usage, limits = inventory.usage(name), inventory.limits(name)
    in_flight = await inventory.in_flight(name)
    reserved = in_flight or NOTHING_IN_FLIGHT
    tags = tags_of(usage) if top else {}
    return NamespaceFullness(
        name,
        tuple(fullness.of_namespace(name, usage, limits, domain, reserved)),
        tuple(fullness.of_streams(usage, limits, domain, reserved)),
        None if in_flight is None else in_flight.reservations,
        largest_images(tags, await inventory.sizes(tags), top) if top else (),
        await _stored(inventory, usage) if with_bytes else None,
        usage.untagged,
        None if in_flight is None else in_flight.in_escrow,
    )


async def _stored(inventory: Inventory, usage: NamespaceUsage) -> NamespaceBytes:
    streams = {name: stream.images for name, stream in usage.streams.items()}
    blobs = await inventory.blobs(frozenset[str]().union(*streams.values()))
    return namespace_bytes(streams, blobs)


def proposed_limits(paths: Sequence[Path], domain: ApiDomain) -> LimitFiles:
    """The LimitRanges and ResourceQuotas of files and folders; `-` is standard input.

    Raises ManifestError if there is none in them.
    """
    files = LimitFiles.of(manifests.read_named(paths), domain)
    if paths and not files.namespaces:
        given = manifests.listed(paths)
        raise ManifestError(
            f"--proposed {given}: there is no LimitRange and no ResourceQuota in it"
        )
    return files


async def audit_all(
    inventory: Inventory,
    domain: ApiDomain,
    *,
    namespaces: Sequence[str] = (),
    proposed: LimitFiles,
    top: int,
    with_bytes: bool = False,
) -> list[NamespaceAudit]:
    """Compare these namespaces, or all, with their limits after `proposed` is applied.

    `top`: the number of images and tags to list. Sizes are read if it is above zero, and where a
    limit needs them; `with_bytes` asks for what images store. Raises ApiError.
    """
    names = namespaces or sorted({*inventory.namespaces(), *proposed.namespaces})
    limits = {name: _limits(inventory, proposed, name, domain) for name in names}
    sized = {name for name in names if top or limits[name].image_size}
    read = names if with_bytes else sized
    count = sum(inventory.usage(name).image_count for name in read)
    await inventory.expect_sizes(count, blobs=with_bytes)
    return [
        await _audit(inventory, name, limits[name], name in sized, domain, top, with_bytes)
        for name in names
    ]


async def _audit(
    inventory: Inventory,
    name: str,
    limits: NamespaceLimits,
    sized: bool,
    domain: ApiDomain,
    top: int,
    with_bytes: bool,
) -> NamespaceAudit:
    usage = inventory.usage(name)
    digests = {digest for stream in usage.streams.values() for digest in stream.images}
    sizes: Mapping[str, int] = await inventory.sizes(digests) if sized else {}
    return audit(
        name,
        usage,
        limits,
        sizes=sizes,
        pushed=inventory.pushed(name),
        domain=domain,
        top=top,
        stored=await _stored(inventory, usage) if with_bytes else None,
    )


def _limits(
    inventory: Inventory, proposed: LimitFiles, name: str, domain: ApiDomain
) -> NamespaceLimits:
    if name not in proposed.namespaces:
        return inventory.limits(name)
    return namespace_limits(
        domain,
        overlaid(inventory.limit_ranges(name), proposed.limit_ranges.get(name, ())),
        overlaid(inventory.quotas(name), proposed.quotas.get(name, ())),
    )
