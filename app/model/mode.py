"""What becomes of a request that passes a limit."""

from typing import Literal, get_args

Mode = Literal["enforce", "warn", "audit"]
"""It is refused, allowed with a warning to its sender, or allowed and only recorded."""
MODES: tuple[Mode, ...] = get_args(Mode)
