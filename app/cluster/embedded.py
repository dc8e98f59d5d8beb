"""State from a folder of manifests, for a service without a cluster."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path

from watchfiles import awatch

from app.cluster import manifests
from app.cluster.manifests import Manifest, ManifestError
from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.limits import NO_LIMITS, LimitRange, NamespaceLimits, ResourceQuota, namespace_limits
from app.model.stream import ImageStream
from app.quota.ledger import View
from app.quota.members import StreamTag
from app.quota.push_times import PushTimes
from app.quota.usage import NamespaceUsage, StreamUsage, UsageIndex

logger = logging.getLogger("registry_admission.state")


@dataclass
class LimitFiles:
    """The LimitRanges and ResourceQuotas of files, by namespace."""

    limit_ranges: dict[str, list[LimitRange]] = field(default_factory=lambda: defaultdict(list))
    quotas: dict[str, list[ResourceQuota]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, documents: Iterable[Manifest]) -> "LimitFiles":
        """Those among all kinds of objects. Raises ManifestError."""
        files = cls()
        for manifest in documents:
            files.take(manifest)
        return files

    @property
    def namespaces(self) -> set[str]:
        return {*self.limit_ranges, *self.quotas}

    def take(self, manifest: Manifest) -> bool:
        """Whether a manifest is one of these. Raises ManifestError for one that is broken."""
        if manifest.api_version.rpartition("/")[0]:
            return False
        match manifest.kind:
            case "LimitRange":
                limit_range = manifest.parse(LimitRange)
                namespace = namespace_or_default(limit_range.metadata.namespace)
                self.limit_ranges[namespace].append(limit_range)
            case "ResourceQuota":
                quota = manifest.parse(ResourceQuota)
                self.quotas[namespace_or_default(quota.metadata.namespace)].append(quota)
            case _:
                return False
        return True


@dataclass
class _Snapshot:
    """Everything that a folder says, as of one reading."""

    objects: LimitFiles
    limits: dict[str, NamespaceLimits] = field(default_factory=dict)
    usage: UsageIndex = field(default_factory=UsageIndex)
    times: PushTimes = field(default_factory=PushTimes)
    sizes: dict[str, int] = field(default_factory=dict)


class EmbeddedState:
    """The last good reading of a folder; a file that breaks it is reported and changes nothing."""

    def __init__(self, folder: Path, domain: ApiDomain) -> None:
        """Raises ManifestError if the folder cannot be used from the start."""
        self._folder = folder
        self._domain = domain
        self._snapshot = _read(folder, domain)
        self.broken: str | None = None
        """What is wrong with the folder now, if its last reading failed."""

    def problems(self) -> list[str]:
        return []

    def view(self) -> View:
        """Nobody else decides on this state, so that its changes need no order."""
        return View(0, time.time())

    def namespaces(self) -> list[str]:
        """Every namespace that has a limit or an ImageStream."""
        return sorted({*self._snapshot.limits, *self._snapshot.usage})

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._snapshot.limits.get(namespace, NO_LIMITS)

    def limit_ranges(self, namespace: str) -> Sequence[LimitRange]:
        return self._snapshot.objects.limit_ranges.get(namespace, ())

    def quotas(self, namespace: str) -> Sequence[ResourceQuota]:
        return self._snapshot.objects.quotas.get(namespace, ())

    def pushed(self, namespace: str) -> Mapping[StreamTag, datetime]:
        """When the tags of a namespace were last pushed, where that is known."""
        return self._snapshot.times.of(namespace, self.usage(namespace))

    def usage(self, namespace: str) -> NamespaceUsage:
        return self._snapshot.usage[namespace]

    def holds_images(self) -> bool:
        return self._snapshot.usage.holds_images

    async def image_size(self, digest: str) -> int | None:
        return self._snapshot.sizes.get(digest)

    def reload(self) -> None:
        """Read the folder again; the last good state stays in force if it is broken."""
        try:
            self._snapshot = _read(self._folder, self._domain)
        except ManifestError as error:
            self.broken = str(error)
            logger.error(
                "state not reloaded, the last good one stays", extra={"problem": str(error)}
            )
        else:
            self.broken = None
            logger.info("state reloaded", extra={"folder": str(self._folder)})

    async def watch(self) -> None:
        """Reload on every change below the folder, until cancelled."""
        async for _ in awatch(self._folder, recursive=True):
            await asyncio.to_thread(self.reload)


def namespace_or_default(name: str) -> str:
    """As kubectl does, an object without a namespace belongs to `default`."""
    return name or "default"


def _read(folder: Path, domain: ApiDomain) -> _Snapshot:
    if not folder.is_dir():
        raise ManifestError(f"{folder}:1: not a folder")
    snapshot = _Snapshot(LimitFiles())
    for manifest in chain.from_iterable(map(manifests.read, manifests.files(folder))):
        if snapshot.objects.take(manifest):
            continue
        match manifest.api_version.rpartition("/")[0], manifest.kind:
            case domain.image_group, "ImageStream":
                _add_stream(snapshot, manifest)
            case domain.image_group, "Image":
                image = manifest.parse(Image)
                if image.size is not None:
                    snapshot.sizes[image.digest] = image.size
    for namespace in snapshot.objects.namespaces:
        snapshot.limits[namespace] = namespace_limits(
            domain,
            snapshot.objects.limit_ranges.get(namespace, ()),
            snapshot.objects.quotas.get(namespace, ()),
        )
    return snapshot


def _add_stream(snapshot: _Snapshot, manifest: Manifest) -> None:
    stream = manifest.parse(ImageStream)
    key = (namespace_or_default(stream.metadata.namespace), stream.metadata.name)
    usage = StreamUsage.of(stream)
    snapshot.usage.put(*key, usage)
    snapshot.times.put(key, stream, usage)
