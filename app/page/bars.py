"""A level as a bar: how much of it is filled, and in which colour."""

from dataclasses import dataclass
from typing import Literal

from app.policy.fullness import Level

HIGH = 80
"""Percent from which a level is worth a look."""

Tone = Literal["calm", "high", "over"]


@dataclass(frozen=True)
class Bar:
    """`fill` and `limit` are percent of the bar's width."""

    tone: Tone
    fill: int
    limit: int | None = None
    """Where the limit lies in a bar that is filled beyond it."""


def bar(level: Level) -> Bar | None:
    """None if nothing limits the level."""
    percent, left = level.percent, level.left
    if level.hard is None or percent is None or left is None:
        return None
    if left < 0:
        hard = max(level.hard.floor, 0)
        return Bar("over", 100, hard * 100 // (hard - left))
    if left == 0:
        return Bar("over", 100)
    return Bar("high" if percent >= HIGH else "calm", min(percent, 100))
