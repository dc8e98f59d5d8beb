"""A verdict that must not refuse says the same as warnings."""

import pytest

from app.policy.verdict import MAX_WARNING, Verdict

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
