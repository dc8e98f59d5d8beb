"""Reads files of settings, tokens and names, which are small, within a bound."""

import errno
from pathlib import Path

MAX_BYTES = 16 * 2**20


def read_bounded(path: Path) -> bytes:
    """The content. Raises OSError, also for a file of more than MAX_BYTES."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_BYTES // 2**20} MiB", str(path))
    return content
