"""Changes of files, as the operating system reports them."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from watchfiles import Change, awatch


async def file_changes(
    *paths: Path, **options: Any
) -> AsyncGenerator[set[tuple[Change, str]], None]:
    """The changes below these paths, until cancelled. `options` are those of `watchfiles.awatch`.

    Raises OSError if the paths cannot be watched, or not any longer. watchfiles raises another
    error for each cause, and wraps an error that comes later in a group.
    """
    try:
        async for changes in awatch(*paths, **options):
            yield changes
    except (OSError, RuntimeError, ExceptionGroup) as error:
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        raise OSError(f"cannot watch {', '.join(map(str, paths))}: {cause}") from error
