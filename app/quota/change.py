"""The effect of a request on the counts of its namespace and of its streams."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CountChange:
    """The effect of a request on one count: its use before, new members, and freed members."""

    used: int
    requested: int
    freed: int = 0

    @property
    def after(self) -> int:
        return self.used + self.requested - self.freed

    def exceeds(self, hard: int) -> bool:
        """Whether this request exceeds the limit `hard`. Use may be equal to the limit.

        A request that does not raise the use is always allowed, even over the limit, so that
        violations can be repaired.
        """
        return self.after > hard and self.after > self.used


@dataclass(frozen=True)
class NamespaceChange:
    imagestreams: CountChange
    images: CountChange
    image_tags: CountChange


@dataclass(frozen=True)
class StreamChange:
    images: CountChange
    image_tags: CountChange


@dataclass(frozen=True)
class Assessment:
    """The effect of one request on its namespace, and on each stream that it touches."""

    namespace: NamespaceChange
    streams: dict[str, StreamChange]
