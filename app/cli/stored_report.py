"""How `usage` and `audit` show what images store."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from app.cli import table
from app.reporting.numbers import readable
from app.reporting.stored_bytes import NamespaceBytes, StoredBytes

option = click.option(
    "--bytes", "with_bytes", is_flag=True,
    help="Show the bytes that images store: distinct layers whose size is known.",
)  # fmt: skip


def content(stored: NamespaceBytes | None) -> dict[str, Any]:
    """The fields of a namespace in JSON and YAML."""
    return {
        "stored": None if stored is None else _content(stored.total),
        "storedByStream": {
            name: _content(found) for name, found in (stored.streams if stored else {}).items()
        },
    }


def size(stored: StoredBytes) -> str:
    """The known bytes; `≥` means that more images have an unknown size."""
    return f"{'≥' if stored.unknown else ''}{readable(stored.known)}"


def show_streams(rows: Sequence[tuple[str, NamespaceBytes | None]], *, headers: bool) -> None:
    """Print a table of the streams of these namespaces, if there are any."""
    if any(stored and stored.streams for _, stored in rows):
        click.echo()
        headings = ("Namespace", "Stream", "Stored", "Unknown-images")
        table.show(headings, _rows(rows), headers=headers)


def _rows(rows: Sequence[tuple[str, NamespaceBytes | None]]) -> Iterator[Sequence[str]]:
    for namespace, stored in rows:
        for name, found in (stored.streams if stored else {}).items():
            yield namespace, name, size(found), str(found.unknown)


def _content(found: StoredBytes) -> dict[str, int]:
    return {"bytes": found.known, "unknownImages": found.unknown}
