"""What happens to a request that exceeds a limit."""

from typing import Literal, get_args

Mode = Literal["enforce", "warn", "audit"]
"""Refuse it, allow it with a warning to the sender, or allow and record it."""
MODES: tuple[Mode, ...] = get_args(Mode)
