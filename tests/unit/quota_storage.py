"""What the Image API stores, in miniature, and the log of it that replicas read."""

from app.quota.usage import NamespaceUsage, StreamUsage

Tags = dict[str, tuple[str, ...]]
"""The digests of each tag of one stream."""
Stored = dict[str, Tags]
Count = tuple[str, str]
"""The name of a limit, and the stream that is counted; "" for the namespace."""


class Storage:
    """Every state that was stored, and the heartbeats between, are a log that each replica reads
    at its own pace."""

    def __init__(self) -> None:
        self.stored: Stored = {}
        self.log: list[float | Stored] = []

    def beat(self, time: float) -> None:
        self.log.append(time)

    def make(self, name: str) -> None:
        if name not in self.stored:
            self._put(name, {})

    def map(self, name: str, images: dict[str, str]) -> None:
        """A mapping; one to a stream that is not there answers 404."""
        if name in self.stored:
            self.bring(name, images)

    def bring(self, name: str, images: dict[str, str]) -> None:
        """An import: it makes the stream."""
        tags = dict(self.stored.get(name, {}))
        for tag, digest in images.items():
            tags[tag] = (digest, *(known for known in tags.get(tag, ()) if known != digest))
        self._put(name, tags)

    def replace(self, name: str, old: Tags, new: Tags) -> None:
        """An update; one of a stream that has changed meanwhile answers 409."""
        if self.stored.get(name) is old:
            self._put(name, new)

    def delete_tag(self, name: str, tag: str) -> None:
        if name in self.stored:
            self._put(name, {key: kept for key, kept in self.stored[name].items() if key != tag})

    def delete_stream(self, name: str) -> None:
        self._put(name, None)

    def counts(self) -> dict[Count, int]:
        usage = NamespaceUsage()
        for name, tags in self.stored.items():
            usage.put(name, StreamUsage(tags))
        counts = {
            ("streams", ""): usage.stream_count,
            ("images", ""): usage.image_count,
            ("tags", ""): usage.tag_count,
        }
        for name in self.stored:
            counts["images_of_stream", name] = usage.image_count_of(name)
            counts["tags_of_stream", name] = usage.tag_count_of(name)
        return counts

    def _put(self, name: str, tags: Tags | None) -> None:
        self.stored = {key: kept for key, kept in self.stored.items() if key != name}
        if tags is not None:
            self.stored[name] = tags
        self.log.append(self.stored)
