"""Formats sizes for people."""

_BINARY_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def readable(size: int) -> str:
    """A size in the largest binary unit with a value of at least one, with two decimals."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_BINARY_UNITS) - 1)
    number = f"{size / 1024**power:.2f}".rstrip("0").rstrip(".")
    return f"{number} {_BINARY_UNITS[power]}"
