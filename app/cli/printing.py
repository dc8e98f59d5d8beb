"""How the commands print for people."""

import os
from collections.abc import Sequence

from rich.console import Console

from app.policy.fullness import Level
from app.reporting.numbers import readable

_SHORT_DIGEST = len("sha256:") + 12
_UNBOUNDED = 100_000
"""Columns; a table is no wider than what is in it."""


def console(*, stderr: bool = False) -> Console:
    """Text as it is; lines are only broken where somebody looks at them."""
    found = Console(stderr=stderr, markup=False, highlight=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = _UNBOUNDED
    return found


def short(digest: str) -> str:
    """Enough of a digest to recognise it."""
    return digest[:_SHORT_DIGEST]


def some(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are."""
    text = ", ".join(names[:most])
    more = len(names) - most
    return f"{text} and {more} more" if more > 0 else text


def amount(level: Level, number: int) -> str:
    """A number of bytes in a readable unit, or a count as it is."""
    return readable(number) if level.resource == "storage" else str(number)
