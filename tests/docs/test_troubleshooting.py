"""The troubleshooting page has every refusal and warning of the code."""

import re
from pathlib import Path

import pytest

from app.registry.errors import STATUS_OF
from tests.docs.refusals import refusals, unresolved, warnings

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
_ENTRY = re.compile(r"^### (\w+)\n+```text\n(.*?)```\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)

REFUSALS = list(refusals())
ENTRIES = {reason: (text, help_) for reason, text, help_ in _ENTRY.findall(PAGE)}


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_every_reason_has_an_entry_and_every_entry_a_reason() -> None:
    reasons = {refusal.reason for refusal in REFUSALS}

    assert reasons == ENTRIES.keys()
    assert {"ImageTooLarge", "QuotaExceeded", "RemovalLosesImages", "Overloaded"} <= reasons


def test_every_reason_has_one_entry_only() -> None:
    assert len(_ENTRY.findall(PAGE)) == len(ENTRIES)


def test_every_reason_can_be_found_in_the_code() -> None:
    assert list(unresolved()) == []


@pytest.mark.parametrize("reason", sorted(ENTRIES))
def test_an_entry_has_the_text_that_a_user_sees_and_what_to_do(reason: str) -> None:
    text, help_ = ENTRIES[reason]

    for refusal in REFUSALS:
        for piece in refusal.pieces if refusal.reason == reason else ():
            assert piece in one_line(text)
    assert "**Do:**" in help_


def test_every_warning_is_listed() -> None:
    listed = one_line(PAGE)

    assert [piece for piece in warnings() if piece not in listed] == []


def test_every_error_of_the_registry_protocol_is_listed_with_its_status() -> None:
    for code, status in STATUS_OF.items():
        assert f"| `{code}` | {status} |" in PAGE
