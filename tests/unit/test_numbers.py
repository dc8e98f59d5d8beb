"""How numbers are written for people."""

import pytest

from app.model.quantity import Quantity
from app.policy.fullness import Level
from app.reporting.numbers import percent, readable


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536 * 2**20, "1.5 GiB"),
     (2**30 + 2**29 + 2**25, "1.53 GiB"), (2**62, "4096 PiB")],
)  # fmt: skip
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable(size) == text


@pytest.mark.parametrize(
    ("used", "reserved", "hard", "text"),
    [
        (0, 0, None, "-"),
        (0, 0, "1000", "0%"),
        (1, 0, "1000", "<1%"),
        (0, 1, "1000", "<1%"),
        (9, 1, "1000", "1%"),
        (1500, 0, "1000", "150%"),
        (0, 0, "0", "100%"),
    ],
)
def test_percent_of_a_limit_that_is_used(
    used: int, reserved: int, hard: str | None, text: str
) -> None:
    limit = None if hard is None else Quantity(hard)
    assert percent(Level("Namespace", "ns", "images", used, limit, reserved=reserved)) == text
