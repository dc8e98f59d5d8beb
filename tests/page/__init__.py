"""The user-facing page that this project implements, as its readers copy from it."""

import re
from pathlib import Path

_TEXT = (Path(__file__).parent / "registry-v2-configuration.txt").read_text()
_YAML = re.compile(r"^apiVersion:.*\n(?:(?: |[A-Za-z]+:|---).*\n)+", re.MULTILINE)


def examples() -> list[str]:
    """Every YAML block, exactly as printed; one may hold several documents."""
    return _YAML.findall(_TEXT)


def commands(part: str) -> list[str]:
    """The kubectl commands that hold a text, each on one line."""
    joined = re.sub(r"\\\n\s*", "", _TEXT)
    return [line for line in joined.splitlines() if line.startswith("kubectl") and part in line]
