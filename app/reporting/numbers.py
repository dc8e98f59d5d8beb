"""Formats sizes for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.policy.fullness import Level  # completion imports this module in half the time

_BINARY_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def readable(size: int) -> str:
    """A size in the largest binary unit with a value of at least one, with two decimals."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_BINARY_UNITS) - 1)
    number = f"{size / 1024**power:.2f}".rstrip("0").rstrip(".")
    return f"{number} {_BINARY_UNITS[power]}"


def amount(level: "Level", number: int) -> str:
    """A number of bytes in a readable unit, or a count as it is."""
    return readable(number) if level.resource == "storage" else str(number)


def percent(level: "Level") -> str:
    """The used part of a limit: `25%`; `<1%` for a small part; `-` without a limit."""
    if level.percent is None:
        return "-"
    if level.percent == 0 and level.used + level.reserved > 0:
        return "<1%"
    return f"{level.percent}%"


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 namespace`, `2 namespaces`."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def in_flight(pushes: int, places: int) -> str:
    """A sentence on pushes in flight and places in escrow."""
    text = f"{counted(pushes, 'push', 'pushes')} in flight"
    return f"{text} and {counted(places, 'place')} in escrow count as used as well"


def untagged(number: int) -> str:
    """A sentence on images without a tag, with the next step."""
    return (
        f"{counted(number, 'image')} without a tag, left by refused or replaced pushes; they do "
        "not count, and the registry's garbage collection removes them"
    )
