"""The garbage collector of a process."""

import atexit
import gc

_YOUNG = 10_000
"""New objects between two collections of the youngest generation. A review makes some hundreds of
objects and hardly any cycle. The default of 700 delays one review of a hundred noticeably, and more
than doubles the CPU of a command that reads 100,000 ImageStreams."""
_OLDER = 50
"""Collections of one generation for each collection of the next older one."""


def collect_rarely() -> None:
    """Collect garbage rarely enough for a server, and for a command that reads a large cluster.

    The last collection of a process is left out: with 100,000 ImageStreams it takes half a second.
    """
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
    atexit.register(gc.freeze)
