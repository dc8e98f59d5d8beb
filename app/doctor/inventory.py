"""A summary of ImageStreams in little memory: counts, push times and a sample of images."""

import hashlib
import heapq
from array import array
from dataclasses import dataclass
from datetime import datetime

from app.model.stored import time_of
from app.model.stream import ImageStream, TagEvent
from app.quota.usage import StreamUsage, UsageIndex


@dataclass(frozen=True, order=True)
class Sample:
    """An image whose data should be in the registry."""

    repository: str
    """`<namespace>/<stream>`"""
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag} ({self.digest})"


class Inventory:
    """The summary; streams are added one at a time."""

    def __init__(self, hosts: frozenset[str] = frozenset(), samples: int = 0) -> None:
        """`hosts`: the registry's own host names; data of images from them is in the registry.

        `samples`: the number of images to keep, spread evenly over all tags. The choice is the
        same in every run.
        """
        self.usage = UsageIndex()
        self._hosts = hosts
        self._count = samples
        self._samples: list[tuple[int, Sample]] = []
        self._pushed = array("d")
        self._undated = 0

    def add(self, stream: ImageStream) -> None:
        namespace, name = stream.metadata.namespace, stream.metadata.name
        self.usage.put(namespace, name, StreamUsage.of(stream))
        for tag, events in stream.status.histories.items():
            newest = events[0]
            image = newest.get("image")
            if image and self._is_local(newest):
                time = time_of(newest.get("created") or "")
                if time:
                    self._pushed.append(time.timestamp())
                else:
                    self._undated += 1
                self._consider(Sample(f"{namespace}/{name}", tag, image))

    @property
    def pushed(self) -> int:
        """The number of tags that point at an image whose data should be in the registry."""
        return len(self._pushed) + self._undated

    def pushed_before(self, time: datetime) -> int:
        """The number of these tags with a known push time before a point in time."""
        return sum(pushed < time.timestamp() for pushed in self._pushed)

    @property
    def samples(self) -> list[Sample]:
        return sorted(sample for _, sample in self._samples)

    def _is_local(self, event: TagEvent) -> bool:
        host, slash, _ = (event.get("docker_image_reference") or "").partition("/")
        return not slash or host in self._hosts

    def _consider(self, sample: Sample) -> None:
        if not self._count:
            return
        digest = hashlib.sha256(f"{sample.repository}:{sample.tag}".encode()).digest()
        ranked = (-int.from_bytes(digest[:8]), sample)
        if len(self._samples) < self._count:
            heapq.heappush(self._samples, ranked)
        else:
            heapq.heappushpop(self._samples, ranked)
