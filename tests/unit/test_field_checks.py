"""Quoting of values, and suggestions for misspelled ones."""

import pytest

from app.policy.operator.field_checks import LOG_LEVELS, close_to, shown


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        pytest.param("a\nb", '"a\\nb"', id="on one line"),
        pytest.param("x" * 80, f'"{"x" * 80}"', id="as long as it may be"),
        pytest.param("x" * 81, f'"{"x" * 79}…"', id="longer: bounded"),
    ],
)
def test_values_in_messages_are_quoted_and_cut(value: str, quoted: str) -> None:
    assert shown(value) == quoted


@pytest.mark.parametrize(
    ("value", "similar", "meant"),
    [
        ("debgu", 0.6, "Debug"),
        ("traceal", 0.6, "TraceAll"),
        ("debgu", 0.9, None),
        ("verbose", 0.6, None),
    ],
)
def test_misspelled_value_suggests_the_right_one(
    value: str, similar: float, meant: str | None
) -> None:
    assert close_to(value, LOG_LEVELS, similar) == meant
