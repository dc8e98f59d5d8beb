"""The event loop and the garbage collector of a serving process."""

import gc
from collections.abc import Coroutine
from typing import Any

import uvloop

_YOUNG = 10_000
"""Objects that are made before the collector looks for cycles. A review makes some hundreds, and
hardly any cycle: looking every 700, as is the default, is felt in one review of a hundred."""
_OLDER = 50
"""Looks at the young until one at those that survived them, and so on."""


def run(server: Coroutine[Any, Any, None]) -> None:
    """Run a server until it ends."""
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
    uvloop.run(server)
