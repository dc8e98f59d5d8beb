"""Keeps the log readable while something that the service needs does not work."""

import hashlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_QUIET = 60.0
"""Seconds in which an equal warning is dropped."""
_KEPT = 200
"""Different warnings that are remembered."""
_LIBRARY = "kubernetes_asyncio"
_DETAILS = "HTTP response headers"
"""Where the text of the library's errors becomes long."""
_OF_EACH_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RepeatedWarnings(logging.Filter):
    """Drops a warning or error that is equal to one of the last minute.

    The first one after that minute has the number of those that were dropped as `repeated`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        key, now = _content(record), self._clock()
        # `pop` moves the key to the end, so that a warning that repeats is forgotten last.
        shown_at, dropped = self._seen.pop(key, (-math.inf, 0))
        shown = now - shown_at >= _QUIET
        self._seen[key] = (now, 0) if shown else (shown_at, dropped + 1)
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        if shown and dropped:
            vars(record)["repeated"] = dropped
        return shown


class LibraryErrors(logging.Filter):
    """Gives errors of the Kubernetes client one line, in place of a traceback through its code."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_LIBRARY) and record.exc_info and record.exc_info[1]:
            text = str(record.exc_info[1]).partition(_DETAILS)[0]
            vars(record)["problem"] = " ".join(text.split())
            record.exc_info = record.exc_text = None
        return True


def _content(record: logging.LogRecord) -> bytes:
    """A short key for everything that a record says, apart from its time. A record may be long."""
    extra = sorted(extra_fields(record).items())
    error = record.exc_info[1] if record.exc_info else None
    said = repr((record.name, record.levelno, record.getMessage(), extra, error))
    return hashlib.sha256(said.encode(errors="replace")).digest()


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that were given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _OF_EACH_RECORD}
