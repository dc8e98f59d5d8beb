"""The project's own patterns read what tenants send: none may take exponential time for it."""

import importlib
import pkgutil
import re
import time
from itertools import product
from typing import Any

import pytest

import app

LENGTH = 1000
PARTS = ("a", "0", "A", ".", "-", "_", "/", ":", "=", "@", "<", '"', " ", "\\", "\n", "1m", "é")
SPOILER = "\x00"


def patterns() -> dict[str, re.Pattern[str]]:
    found = {}
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[f"{module.name}.{name}"] = as_text(value)
    return found


def as_text(pattern: re.Pattern[Any]) -> re.Pattern[str]:
    """A pattern of bytes, as the same pattern of characters."""
    source = pattern.pattern
    return re.compile(source.decode()) if isinstance(source, bytes) else pattern


@pytest.mark.parametrize("name", patterns())
def test_no_pattern_of_the_project_backtracks_for_long(name: str) -> None:
    pattern = patterns()[name]
    texts = [
        pattern.pattern[:1].strip("([\\^") + (one + other) * LENGTH + SPOILER
        for one, other in product(PARTS, PARTS)
    ]
    start = time.perf_counter()
    for text in texts:
        pattern.fullmatch(text)
        pattern.search(text[:LENGTH])

    # Quadratic time would be seconds, exponential time would be years.
    assert time.perf_counter() - start < 60
