"""The time of the last push to each tag, in four bytes: a cluster may have a million tags."""

from array import array
from collections.abc import Mapping
from datetime import UTC, datetime

from app.model.stored import time_of
from app.model.stream import CountedStream, ImageStream
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage, StreamUsage

_UNKNOWN = 0
_LATEST = 2**32 - 1


class PushTimes:
    """The times of the tags in a usage index. It keeps the times only, in the order of the tags."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], array[int]] = {}

    def put(
        self, key: tuple[str, str], stream: ImageStream | CountedStream, usage: StreamUsage
    ) -> None:
        """Keep the times of one stream. `key`: (namespace, name); `usage`: the stream's tags."""
        known = {
            tag: _seconds(events[0].get("created") or "")
            for tag, events in stream.status.histories.items()
        }
        self._seconds[key] = array("I", (known.get(tag, _UNKNOWN) for tag in sorted(usage.tags)))

    def remove(self, key: tuple[str, str]) -> None:
        self._seconds.pop(key, None)

    def of(self, namespace: str, usage: NamespaceUsage) -> Mapping[StreamTag, datetime]:
        """The known times of a namespace, by tag."""
        return {
            (name, tag): datetime.fromtimestamp(seconds, UTC)
            for name, stream in usage.streams.items()
            for tag, seconds in zip(
                sorted(stream.tags), self._seconds.get((namespace, name), ()), strict=False
            )
            if seconds != _UNKNOWN
        }


def _seconds(text: str) -> int:
    """Seconds since the epoch of an RFC 3339 time; 0 if the text is no time."""
    time = time_of(text)
    return min(max(int(time.timestamp()), _UNKNOWN), _LATEST) if time else _UNKNOWN
