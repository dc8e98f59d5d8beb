"""Shows a level as a bar with a fill and a colour."""

from dataclasses import dataclass
from typing import Literal

from app.policy.fullness import Level

HIGH = 80
"""From this percentage on, a bar has the colour of a warning."""

Tone = Literal["calm", "high", "over"]


@dataclass(frozen=True)
class Bar:
    """`fill` and `limit` are percentages of the bar's width."""

    tone: Tone
    fill: int
    limit: int | None = None
    """The position of the limit, if the level exceeds it."""


def bar(level: Level) -> Bar | None:
    """The bar of a level; None if the level has no limit."""
    percent, left = level.percent, level.left
    if level.hard is None or percent is None or left is None:
        return None
    if left < 0:
        hard = max(level.hard.floor, 0)
        return Bar("over", 100, hard * 100 // (hard - left))
    if left == 0:
        return Bar("over", 100)
    return Bar("high" if percent >= HIGH else "calm", min(percent, 100))
