"""Tables, and the short forms of names in them."""

import pytest

from app.cli import names, table


@pytest.mark.parametrize("headers", [True, False])
def test_cells_have_one_line_and_columns_one_width(headers: bool) -> None:
    rows = [("a\nb \t c", " "), ("longer", "x")]

    lines = table.lines(("Name", "Long-name"), rows, headers=headers)

    assert lines == [*["NAME     LONG-NAME"] * headers, "a b c    <none>", "longer   x"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (1, "n0"), (2, "n0, n1"), (3, "n0, n1 and 1 more")]
)
def test_some_names_and_the_number_of_the_others(count: int, text: str) -> None:
    assert names.some([f"n{number}" for number in range(count)], 2) == text
