"""The Image API and the limits of the page, in the plainest way: sets, counted again each time.

Nothing of the service is used here, so that a fault of the service is not repeated.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
LIMITED, SOURCE = "team-a", "team-b"
STREAMS, TAGS = ("app", "web", "db"), ("v1", "v2", "v3", "v4")
DIGESTS = tuple(f"sha256:{number:064x}" for number in range(6))
SIZES = {digest: 600 + 200 * number for number, digest in enumerate(DIGESTS[:5])}
"""Bytes of stored Images; nobody knows the size of the last one."""


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
        """Make a digest the newest of a tag."""
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
class Limits:
    """None: there is no limit."""

    size: int | None
    streams: int | None
    images: int | None
    tags: int | None
    images_of_stream: int | None
    tags_of_stream: int | None


@dataclass
class Request:
    kind: str
    content: Json
    old: Json | None
    after: Namespace
    """The namespace if the request is stored, with an image of its own for each that may come."""
    stored: Namespace
    """The namespace as the Image API leaves it."""
    brought: set[str]
    """Images whose size counts. One that an import may bring counts only if its size is known."""
    sub_resource: str = ""


def reasons(request: Request, before: Namespace, limits: Limits) -> set[str]:
    """Why the page's limits refuse a request."""
    after, found = request.after, set[str]()
    if limits.size is not None:
        for digest in request.brought:
            size = SIZES.get(digest)
            if size is None:
                found.add("ImageSizeUnknown")
            elif size > limits.size:
                found.add("ImageTooLarge")
    rows = (
        (limits.streams, len(before), len(request.stored)),
        (limits.images, len(_images(before)), len(_images(after))),
        (limits.tags, _tags(before), _tags(after)),
    )
    if any(_passed(*row) for row in rows):
        found.add("QuotaExceeded")
    for name, stream in after.items():
        old = before.get(name, Stream())
        of_stream = (
            (limits.images_of_stream, len(old.images), len(stream.images)),
            (limits.tags_of_stream, len(old.tags), len(stream.tags)),
        )
        if any(_passed(*row) for row in of_stream):
            found.add("StreamLimitExceeded")
    return found


def _images(streams: Namespace) -> set[str]:
    return set().union(*(stream.images for stream in streams.values()))


def _tags(streams: Namespace) -> int:
    return sum(len(stream.tags) for stream in streams.values())


def _passed(limit: int | None, before: int, after: int) -> bool:
    """Whether a request passes a limit. One that raises nothing passes none."""
    return limit is not None and after > limit and after > before
