"""The event loop and the free memory of a serving process."""

import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

_KEPT = 4 * 2**20
"""Bytes. The C library keeps twice as much free memory, and returns the rest to the system."""


def run(server: Coroutine[Any, Any, None]) -> None:
    """Run a server until it ends. Ctrl-C lets it finish what is in flight."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_free_memory()
    uvloop.run(server)


def keep_free_memory() -> None:
    """Let the C library reuse the buffers of requests.

    By default it returns each freed block of 128 KiB or more to the system, which makes a large
    upload cost the gateway twice the CPU. glibc raises that size to the largest block that was
    freed, so this allocates and frees one.
    """
    bytearray(_KEPT)
