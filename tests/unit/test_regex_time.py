"""The project's patterns match input of tenants, so none may take exponential time."""

import importlib
import pkgutil
import re
import time
from itertools import product
from typing import Any

import pytest

import app

LENGTHS = (*range(4, 32, 4), *(2**power for power in range(5, 9)))
"""Numbers of repetitions. The first ones are small, so that an exponential pattern is found before
it takes hours."""
TOO_MUCH = 6
"""For twice the text, a linear pattern takes twice the time, and a search from each position takes
four times the time."""
NOTICED = 0.05
"""Seconds of CPU below which times are not compared."""
PARTS = ("a", "0", "A", ".", "-", "_", "/", ":", "=", "@", "<", '"', " ", "\\", "\n", "1m", "é")
SPOILER = "\x00"


def patterns() -> dict[str, re.Pattern[Any]]:
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


def seconds(pattern: re.Pattern[str], repetitions: int) -> float:
    """CPU time for every text with this number of repetitions; the best of three if it matters."""
    texts = [
        pattern.pattern[:1].strip("([\\^") + (one + other) * repetitions + SPOILER
        for one, other in product(PARTS, PARTS)
    ]
    times: list[float] = []
    while len(times) < (3 if times and times[0] > NOTICED else 1):
        start = time.process_time()
        for text in texts:
            pattern.fullmatch(text)
            pattern.search(text)
        times.append(time.process_time() - start)
    return min(times)


def growth(pattern: re.Pattern[str]) -> float:
    """The largest factor between the times for two lengths in a row."""
    largest, before = 0.0, NOTICED
    for repetitions in LENGTHS:
        taken = seconds(pattern, repetitions)
        largest = max(largest, taken / max(before, NOTICED))
        if largest > TOO_MUCH:
            break
        before = taken
    return largest


@pytest.mark.parametrize("name", patterns())
def test_time_of_a_pattern_does_not_grow_faster_than_quadratic(name: str) -> None:
    assert growth(patterns()[name]) <= TOO_MUCH


def test_exponential_pattern_is_found() -> None:
    assert growth(re.compile(r"(?:a|a0?|0)+")) > TOO_MUCH
