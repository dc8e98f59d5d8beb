"""The state of a service without a cluster: a folder of manifests."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from app.cluster import manifests
from app.cluster.file_changes import file_changes
from app.cluster.limit_files import LimitFiles, namespace_or_default
from app.cluster.manifests import Manifest, ManifestError
from app.cluster.objects import ManifestObjects, Model
from app.model.domain import ApiDomain
from app.model.image import Image, ImageClaim, StoredImage
from app.model.limits import NO_LIMITS, LimitRange, NamespaceLimits, ResourceQuota, namespace_limits
from app.model.stream import ImageStream
from app.quota.members import StreamTag
from app.quota.push_times import PushTimes
from app.quota.usage import NamespaceUsage, StreamUsage, UsageIndex
from app.quota.view import View

logger = logging.getLogger("registry_admission.state")

_LOOK_AGAIN = 1.0
"""Seconds between attempts to watch a folder that does not exist."""
_NO_LIMITS = "no LimitRange or ResourceQuota, so that no push is refused"


class Snapshot:
    """The content of a folder, as of one reading."""

    def __init__(self, domain: ApiDomain) -> None:
        self.objects = LimitFiles(domain)
        self.usage = UsageIndex()
        self.times = PushTimes()
        self.images: dict[str, ImageClaim] = {}
        self.blobs: dict[str, dict[str, int]] = {}
        self.references = ManifestObjects()
        self._domain = domain
        self._limits: dict[str, NamespaceLimits] = {}

    def limits(self, namespace: str) -> NamespaceLimits:
        limits = self._limits.get(namespace)
        if limits is None and namespace in self.objects.namespaces:
            limits = self._limits[namespace] = namespace_limits(
                self._domain,
                self.objects.limit_ranges.get(namespace, ()),
                self.objects.quotas.get(namespace, ()),
            )
        return limits or NO_LIMITS

    def add(self, manifest: Manifest) -> None:
        """Add an object if it belongs to the state. Raises ManifestError."""
        if self.objects.take(manifest):
            self._limits.clear()
            return
        match manifest.api_version.rpartition("/")[0], manifest.kind:
            case self._domain.image_group, "ImageStream":
                self._add_stream(manifest.parse(ImageStream))
            case self._domain.image_group, "Image":
                image = manifest.parse(Image)
                self.images[image.digest] = image.claim
                self.blobs[image.digest] = image.blobs
            case _:
                self.references.add(manifest)

    def _add_stream(self, stream: ImageStream) -> None:
        key = (namespace_or_default(stream.metadata.namespace), stream.metadata.name)
        usage = StreamUsage.of(stream)
        self.usage.put(*key, usage)
        self.times.put(key, stream, usage)


class SnapshotState:
    """The objects of one reading, and objects that are added to them."""

    broken: str | None = None
    """Why the last reading failed. An older reading stays in force meanwhile."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._read_at = time.time()
        self._snapshot = snapshot
        self.warnings = snapshot.objects.warnings
        """Limits that are not in force as written, found at the last reading."""

    def problems(self) -> list[str]:
        return []

    def view(self) -> View:
        """A view of the present time; while the folder is broken, of its last good reading.

        While the folder is broken, later changes are not seen, so reservations must not expire.
        The position is always 0, because only this process decides on the folder.
        """
        return View(0, time.time() if self.broken is None else self._read_at)

    def namespaces(self) -> list[str]:
        """Every namespace that has a limit or an ImageStream."""
        return sorted({*self._snapshot.objects.namespaces, *self._snapshot.usage})

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._snapshot.limits(namespace)

    def limit_ranges(self, namespace: str) -> Sequence[LimitRange]:
        return self._snapshot.objects.limit_ranges.get(namespace, ())

    def quotas(self, namespace: str) -> Sequence[ResourceQuota]:
        return self._snapshot.objects.quotas.get(namespace, ())

    def pushed(self, namespace: str) -> Mapping[StreamTag, datetime]:
        """The time of the last push to each tag of a namespace, if it is known."""
        return self._snapshot.times.of(namespace, self.usage(namespace))

    def limited_namespaces(self) -> list[str]:
        return list(self._snapshot.objects.namespaces)

    def usage(self, namespace: str) -> NamespaceUsage:
        return self._snapshot.usage[namespace]

    def holds_images(self) -> bool:
        return self._snapshot.usage.holds_images

    async def image(self, digest: str) -> ImageClaim | None:
        return self._snapshot.images.get(digest)

    def image_blobs(self, digest: str) -> dict[str, int]:
        """Bytes of the layers and the config of an image, as far as its object lists them."""
        return self._snapshot.blobs.get(digest, {})

    async def stored_image(self, digest: str) -> StoredImage | None:
        """The blobs and listed images of an image; None if the folder does not have the image."""
        claim = self._snapshot.images.get(digest)
        return StoredImage(self.image_blobs(digest), claim.children) if claim else None

    async def read(self, model: type[Model], namespace: str, name: str) -> Model | None:
        """An object that the registry's configuration may refer to; None if there is none."""
        return await self._snapshot.references.read(model, namespace, name)

    def add(self, manifest: Manifest) -> None:
        """Add an object until the next reading. Raises ManifestError."""
        self._snapshot.add(manifest)


class EmbeddedState(SnapshotState):
    """The last good reading of a folder. A broken file is reported and changes nothing."""

    def __init__(self, folder: Path, domain: ApiDomain) -> None:
        """Raises ManifestError if the folder cannot be read."""
        started = time.time()
        self._digests = _digests(folder)
        super().__init__(_read(folder, domain))
        self._read_at = started
        self._folder = folder
        self._domain = domain
        self._logged: list[str] = []

    def reload(self) -> bool:
        """Read the folder again if it has changed. If it is broken, the last good reading stays in
        force. Returns whether the objects or the problem differ from those of the last call."""
        started = time.time()
        try:
            digests = _digests(self._folder)
            if digests == self._digests and self.broken is None:
                self._read_at = started
                return False
            self._snapshot = _read(self._folder, self._domain)
        except ManifestError as error:
            known, self.broken = self.broken, str(error)
            if known == self.broken:
                return False
            about = {"problem": self.broken}
            logger.error("state not reloaded, the last good one stays", extra=about)
            return True
        self._digests, self._read_at, self.broken = digests, started, None
        logger.info("state reloaded", extra={"folder": str(self._folder)})
        self.warnings = self._snapshot.objects.warnings
        self._log_warnings()
        return True

    async def watch(self) -> None:
        """Reload on each change below the folder and when it is replaced, until cancelled."""
        self._log_warnings()
        unwatched = ""
        while True:
            try:
                await self._watch_present()
                unwatched = ""
            except OSError as error:
                if unwatched != str(error):
                    unwatched = str(error)
                    about = {"problem": unwatched}
                    logger.warning("state folder not watched, it is read every second", extra=about)
                await asyncio.sleep(_LOOK_AGAIN)
            await asyncio.to_thread(self.reload)

    def _log_warnings(self) -> None:
        """Log what may surprise about the limits in the folder, again after each change of it."""
        found = list(self.warnings)
        if not found and not self.limited_namespaces():
            found = [f"{self._folder}: {_NO_LIMITS}"]
        if found != self._logged:
            for problem in found:
                logger.warning("limits in the state folder", extra={"problem": problem})
        self._logged = found

    async def _watch_present(self) -> None:
        """Watch the present folder until another one replaces it."""
        watched, is_first = _identity(self._folder), True
        milliseconds = int(_LOOK_AGAIN * 1000)
        async for changes in file_changes(
            self._folder, rust_timeout=milliseconds, yield_on_timeout=True
        ):
            if _identity(self._folder) != watched:
                return
            if changes or is_first:  # A change may have come before the watch.
                await asyncio.to_thread(self.reload)
            is_first = False


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode, which tell a folder from its replacement; None if there is no folder."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _digests(folder: Path) -> dict[Path, bytes]:
    """A digest of each file. Taken before the files are read for their objects: if one changes in
    between, its digest differs at the next look, and it is read again."""
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ManifestError(f"{folder} {problem}")
    texts = ((file, manifests.text_of(file)) for file in manifests.files(folder))
    return {file: sha256(text.encode()).digest() for file, text in texts}


def _read(folder: Path, domain: ApiDomain) -> Snapshot:
    snapshot = Snapshot(domain)
    for manifest in manifests.read_all([folder]):
        snapshot.add(manifest)
    return snapshot
