"""Numbers as people read them, on a terminal and on a page."""

_BINARY_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def readable(size: int) -> str:
    """Bytes in the largest unit that leaves at least one; two digits behind the point."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_BINARY_UNITS) - 1)
    number = f"{size / 1024**power:.2f}".rstrip("0").rstrip(".")
    return f"{number} {_BINARY_UNITS[power]}"
