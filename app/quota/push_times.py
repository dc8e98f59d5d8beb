"""When each tag was last pushed: four bytes a tag, because a cluster may have a million."""

from array import array
from collections.abc import Mapping
from datetime import UTC, datetime

from app.model.stream import CountedStream, ImageStream
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage, StreamUsage

_UNKNOWN = 0
_LATEST = 2**32 - 1


class PushTimes:
    """Kept beside the usage index, whose tags they belong to."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], array[int]] = {}

    def put(
        self, key: tuple[str, str], stream: ImageStream | CountedStream, usage: StreamUsage
    ) -> None:
        """Of one stream, by (namespace, name), whose usage is known already."""
        known = {
            history.tag: _seconds(history.items[0].created)
            for history in stream.status.tags
            if history.items
        }
        self._seconds[key] = array("I", (known.get(tag, _UNKNOWN) for tag in sorted(usage.tags)))

    def remove(self, key: tuple[str, str]) -> None:
        self._seconds.pop(key, None)

    def of(self, namespace: str, usage: NamespaceUsage) -> Mapping[StreamTag, datetime]:
        """The tags of a namespace whose times are known."""
        return {
            (name, tag): datetime.fromtimestamp(seconds, UTC)
            for name, stream in usage.streams.items()
            for tag, seconds in zip(
                sorted(stream.tags), self._seconds.get((namespace, name), ()), strict=False
            )
            if seconds != _UNKNOWN
        }


def _seconds(text: str) -> int:
    """Since the epoch, of a time in RFC 3339; zero for text that is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return _UNKNOWN
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return min(max(int(seconds), _UNKNOWN), _LATEST)
