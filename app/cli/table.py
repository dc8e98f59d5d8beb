"""Tables as kubectl prints them: no boxes, capital headings, no wrapping, the same in a pipe."""

from collections.abc import Iterable, Sequence

import click

_GAP = "   "


def lines(headings: Sequence[str], rows: Iterable[Sequence[str]], *, headers: bool) -> list[str]:
    """The lines of a table. A cell without text is `<none>`; a line break in one is a space."""
    cells = [[_cell(text) for text in row] for row in rows]
    if headers:
        cells.insert(0, [heading.upper() for heading in headings])
    widths = [max(map(len, column), default=0) for column in zip(*cells, strict=True)]
    return [
        _GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def show(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    headers: bool = True,
    err: bool = False,
) -> None:
    text = "".join(f"{line}\n" for line in lines(headings, rows, headers=headers))
    click.echo(text, nl=False, err=err)


def _cell(text: str) -> str:
    return " ".join(text.split()) or "<none>"
