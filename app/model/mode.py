"""What happens to a request that exceeds a limit."""

from typing import Literal, get_args

Mode = Literal["enforce", "warn", "audit"]
"""Refuse it, allow it with a warning to the sender, or allow and record it."""
MODES: tuple[Mode, ...] = get_args(Mode)

LegacyMode = Literal["enforce", "warn", "off"]
"""What happens to the ConfigMap of the legacy gateway: refuse it, allow it with a warning, or
ignore it."""
LEGACY_MODES: tuple[LegacyMode, ...] = get_args(LegacyMode)
