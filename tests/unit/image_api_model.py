"""A simple model of the Image API and the limits: sets, which are counted again each time.

It uses no code of the service, so that it does not repeat a fault of the service.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
LIMITED, SOURCE = "team-a", "team-b"
STREAMS, TAGS = ("app", "web", "db"), ("v1", "v2", "v3", "v4")
DIGESTS = tuple(f"sha256:{number:064x}" for number in range(6))
SIZES = {digest: 600 + 200 * number for number, digest in enumerate(DIGESTS[:5])}
"""Bytes of stored Images. The size of the last one is unknown."""


@dataclass
class Stream:
    spec: dict[str, Json] = field(default_factory=dict)
    status: dict[str, list[str]] = field(default_factory=dict)

    @property
    def images(self) -> set[str]:
        return {digest for history in self.status.values() for digest in history}

    @property
    def tags(self) -> set[str]:
        return {*self.spec, *(tag for tag, history in self.status.items() if history)}

    def add(self, tag: str, digest: str) -> None:
        """Add a digest as the newest one of a tag."""
        history = self.status.setdefault(tag, [])
        if history[:1] != [digest]:
            history.insert(0, digest)

    def content(self, name: str) -> Json:
        return {
            "metadata": {"name": name, "namespace": LIMITED},
            "spec": {"tags": [{"name": tag, **ref} for tag, ref in self.spec.items()]},
            "status": {
                "tags": [
                    {"tag": tag, "items": [{"image": digest} for digest in history]}
                    for tag, history in self.status.items()
                ]
            },
        }


Namespace = dict[str, Stream]


@dataclass
class Limit:
    """One limit, with its name on Registry v2's page."""

    what: str
    """`storage` of one image, or a resource of the namespace or of one stream."""
    number: int
    of_stream: bool = False
    mode: str = "enforce"


@dataclass
class Request:
    kind: str
    content: Json
    old: Json | None
    after: Namespace
    """The namespace after the request, with a new image for each image that may come."""
    stored: Namespace
    """The namespace after the Image API has stored the request."""
    brought: set[str]
    """Images whose size is checked. An imported image is checked only if its size is known."""
    sub_resource: str = ""


def reasons(request: Request, before: Namespace, limits: list[Limit]) -> set[str]:
    """The limits that refuse a request."""
    return set().union(*(_reasons(request, before, limit) for limit in limits))


def _reasons(request: Request, before: Namespace, limit: Limit) -> set[str]:
    if limit.what == "storage":
        sizes = [SIZES.get(digest) for digest in request.brought]
        too_large = any(size is not None and size > limit.number for size in sizes)
        found = {"ImageTooLarge"} if too_large else set[str]()
        return found | {"ImageSizeUnknown"} if None in sizes else found
    after = request.after
    if limit.of_stream:
        passed = any(
            _passed(limit, {name: before.get(name, Stream())}, {name: stream})
            for name, stream in after.items()
        )
        return {"StreamLimitExceeded"} if passed else set()
    if limit.what == "imagestreams":
        after = request.stored
    return {"QuotaExceeded"} if _passed(limit, before, after) else set()


def _passed(limit: Limit, before: Namespace, after: Namespace) -> bool:
    """Whether a request exceeds a limit. A request that raises no count exceeds none."""
    old, new = (_count(limit.what, streams) for streams in (before, after))
    return new > limit.number and new > old


def _count(what: str, streams: Namespace) -> int:
    if what == "imagestreams":
        return len(streams)
    if what == "images":
        return len(set().union(*(stream.images for stream in streams.values())))
    return sum(len(stream.tags) for stream in streams.values())
