"""The event loop and the garbage collector of a serving process."""

import gc
import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

_YOUNG = 10_000
"""New objects between two collections of the youngest generation. A review makes some hundreds of
objects and hardly any cycle. The default of 700 delays one review of a hundred noticeably."""
_OLDER = 50
"""Collections of one generation for each collection of the next older one."""


def run(server: Coroutine[Any, Any, None]) -> None:
    """Run a server until it ends. Ctrl-C lets it finish what is in flight."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    calm_collector()
    uvloop.run(server)


def calm_collector() -> None:
    """Collect garbage rarely enough for a server."""
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
