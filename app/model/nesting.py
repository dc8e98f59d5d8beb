"""How deeply a JSON value is nested. Code that recurses over a value needs a bound."""

from collections.abc import Iterable
from typing import Any


def is_deeper_than(value: Any, depth: int) -> bool:
    """Whether a decoded JSON value has more than `depth` levels. A text or number is one level."""
    level: list[Any] = [value]
    for _ in range(depth):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
