"""Collecting what `registry-admission usage` and `audit` show, from any state."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Protocol

from app.cluster import manifests
from app.cluster.embedded import namespace_or_default
from app.cluster.state import ClusterState
from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.model.stored import time_of
from app.model.stream import ImageStream
from app.policy import fullness
from app.policy.audit import NamespaceAudit, Tag, audit
from app.policy.fullness import Level


class Inventory(ClusterState, Protocol):
    """A state that can say what it has, too."""

    def namespaces(self) -> list[str]:
        """Every namespace that has a limit or an ImageStream."""


@dataclass(frozen=True)
class NamespaceFullness:
    namespace: str
    totals: tuple[Level, ...]
    streams: tuple[Level, ...]


def fullness_of(
    state: Inventory, domain: ApiDomain, namespaces: Iterable[str] = ()
) -> list[NamespaceFullness]:
    """What is used and left in the namespaces given, or in all."""
    return [
        NamespaceFullness(
            name,
            tuple(fullness.of_namespace(name, state.usage(name), state.limits(name), domain)),
            tuple(fullness.of_streams(state.usage(name), state.limits(name), domain)),
        )
        for name in namespaces or state.namespaces()
    ]


async def audit_all(
    state: Inventory,
    domain: ApiDomain,
    *,
    namespaces: Sequence[str] = (),
    proposed: Mapping[str, NamespaceLimits],
    pushed: Mapping[str, Mapping[Tag, datetime]],
    top: int,
) -> list[NamespaceAudit]:
    """Hold the namespaces given, or all, against their limits.

    A namespace that has `proposed` limits is held against these instead of its own. `pushed`
    has the times of tags by namespace.
    """
    audits = []
    for name in namespaces or sorted({*state.namespaces(), *proposed}):
        usage = state.usage(name)
        digests = {digest for stream in usage.streams.values() for digest in stream.images}
        sizes = {digest: await state.image_size(digest) for digest in digests}
        audits.append(
            audit(
                name,
                usage,
                proposed.get(name) or state.limits(name),
                sizes={digest: size for digest, size in sizes.items() if size is not None},
                pushed=pushed.get(name, {}),
                domain=domain,
                top=top,
            )
        )
    return audits


def pushed_in(folder: Path, domain: ApiDomain) -> dict[str, dict[Tag, datetime]]:
    """When each tag of a state folder was last pushed, by namespace. Raises ManifestError."""
    found: dict[str, dict[Tag, datetime]] = defaultdict(dict)
    for manifest in chain.from_iterable(map(manifests.read, manifests.files(folder))):
        group = manifest.api_version.rpartition("/")[0]
        if (group, manifest.kind) == (domain.image_group, "ImageStream"):
            stream = manifest.parse(ImageStream)
            times = found[namespace_or_default(stream.metadata.namespace)]
            for history in stream.status.tags:
                created = time_of(history.items[0].created) if history.items else None
                if created:
                    times[stream.metadata.name, history.tag] = created
    return found
