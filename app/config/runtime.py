"""The event loop, the garbage collector and the free memory of a serving process."""

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

_KEPT = 4 * 2**20
"""Bytes. The C library keeps twice as much free memory, and returns the rest to the system."""


def run(server: Coroutine[Any, Any, None]) -> None:
    """Run a server until it ends. Ctrl-C lets it finish what is in flight."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    calm_collector()
    keep_free_memory()
    uvloop.run(server)


def calm_collector() -> None:
    """Collect garbage rarely enough for a server."""
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)


def keep_free_memory() -> None:
    """Let the C library reuse the buffers of requests.

    By default it returns each freed block of 128 KiB or more to the system, which makes a large
    upload cost the gateway twice the CPU. glibc raises that size to the largest block that was
    freed, so this allocates and frees one.
    """
    bytearray(_KEPT)
