"""A verdict that must not refuse has the same texts as warnings."""

import pytest

from app.policy.verdict import MAX_VIOLATIONS, MAX_WARNING, Verdict

STEP = "do this"


@pytest.mark.parametrize(
    ("message", "warnings"),
    [
        pytest.param("no", ["no; do this"], id="short"),
        pytest.param(
            "x" * (MAX_WARNING - 9),
            ["x" * (MAX_WARNING - 9) + "; do this"],
            id="as long as a warning may be",
        ),
        pytest.param(
            "x" * (MAX_WARNING - 8), ["x" * (MAX_WARNING - 8), STEP], id="longer: it is told as two"
        ),
    ],
)
def test_refusals_become_warnings(message: str, warnings: list[str]) -> None:
    verdict = Verdict()
    verdict.deny("Reason", message, STEP)
    verdict.warn("a warning")
    verdict.note("name", "text")

    assert verdict.tolerant() == Verdict(warnings=[*warnings, "a warning"], notes={"name": "text"})


def test_of_thousands_of_violations_some_dozens_are_told_and_the_others_counted() -> None:
    verdict, other = Verdict(), Verdict()
    for number in range(1000):
        verdict.deny("Reason", f"no {number}", STEP)
        other.deny("Other", "no", STEP)
    verdict.include(other)

    lines = verdict.explanation.splitlines()
    assert len(lines) == MAX_VIOLATIONS + 1
    assert (lines[0], lines[-1]) == ("no 0; do this", f"… and {2000 - MAX_VIOLATIONS} more")
    assert verdict.reasons == ("Reason", "Other")
    assert not verdict.allowed
