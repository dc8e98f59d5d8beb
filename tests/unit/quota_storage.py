"""A model of the storage of the Image API, and of the log of changes that replicas read."""

from app.quota.usage import NamespaceUsage, StreamUsage

Tags = dict[str, tuple[str, ...]]
"""The digests of each tag of one stream."""
Stored = dict[str, Tags]
Count = tuple[str, str]
"""The name of a limit, and the stream that is counted; "" for the namespace."""


class Storage:
    """A log of all stored states and of the heartbeats between them. Each replica reads it at its
    own pace."""

    def __init__(self) -> None:
        self.stored: Stored = {}
        self.log: list[float | Stored] = []

    def beat(self, time: float) -> None:
        self.log.append(time)

    def make(self, name: str) -> None:
        if name not in self.stored:
            self._put(name, {})

    def map(self, name: str, images: dict[str, str]) -> None:
        """Store a mapping. The answer is 404 if the stream is missing."""
        if name in self.stored:
            self.bring(name, images)

    def bring(self, name: str, images: dict[str, str]) -> None:
        """Store an import. It makes the stream."""
        tags = dict(self.stored.get(name, {}))
        for tag, digest in images.items():
            tags[tag] = (digest, *(known for known in tags.get(tag, ()) if known != digest))
        self._put(name, tags)

    def replace(self, name: str, old: Tags, new: Tags) -> None:
        """Store an update. The answer is 409 if the stream has changed meanwhile."""
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
