"""An event loop whose clock jumps to the next timer as soon as nothing else is ready.

A test on this loop takes no time, and does not depend on the speed of the machine.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run work that waits for timers, and for no other thread, process or connection."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


def stop(seconds: float) -> None:
    """Let time pass in which no task runs, as on a machine that stops. Needs the loop of `run`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    loop.clock.now += seconds


class _Jumping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout and 0)
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _Jumping()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now
