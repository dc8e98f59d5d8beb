"""What `registry-admission usage` prints."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from app.auditing import NamespaceFullness
from app.cli.looking import readable, short
from app.policy.fullness import Level

FORMATS = ("table", "json", "yaml")
_NEARLY = 80
"""Percent from which on a limit is worth a look."""


@dataclass(frozen=True)
class Shown:
    streams: bool
    top: int
    """How many images are listed for each namespace."""
    fullest_first: bool


def show(rows: Sequence[NamespaceFullness], shown: Shown, output: str) -> None:
    """Print the counts in one of FORMATS."""
    if shown.fullest_first:
        rows = sorted(rows, key=lambda row: (-row.percent, row.namespace))
    if output == "json":
        click.echo(json.dumps([_content(row) for row in rows], indent=2))
    elif output == "yaml":
        text = yaml.dump([_content(row) for row in rows], Dumper=yaml.CSafeDumper, sort_keys=False)
        click.echo(text, nl=False)
    else:
        _show_tables(rows, shown)


def _content(row: NamespaceFullness) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "reservations": row.reservations,
        "totals": [_level(level) for level in row.totals],
        "streams": [{"stream": level.name, **_level(level)} for level in row.streams],
        "largest": [
            {"digest": image.digest, "size": image.size, "tags": list(image.tags)}
            for image in row.largest
        ],
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "resource": level.resource,
        "used": level.used,
        "reserved": level.reserved,
        "hard": None if level.hard is None else str(level.hard),
        "left": level.left,
        "source": level.source or None,
    }


def _show_tables(rows: Sequence[NamespaceFullness], shown: Shown) -> None:
    out = Console(markup=False, highlight=False)
    out.print(_counts(rows, shown))
    if any(row.largest for row in rows):
        out.print(_images(rows))
    out.print(_summary(rows))


def _counts(rows: Sequence[NamespaceFullness], shown: Shown) -> Table:
    table = Table("Namespace")
    if shown.streams:
        table.add_column("ImageStream")
    table.add_column("Resource")
    for heading in ("Used", "In flight", "Hard", "Left", "Full"):
        table.add_column(heading, justify="right")
    table.add_column("Limited by")
    for row in rows:
        for level in (*row.totals, *(row.streams if shown.streams else ())):
            stream = [level.name if level.kind == "ImageStream" else ""] if shown.streams else []
            in_flight = "?" if row.reservations is None else str(level.reserved)
            cells = ["-", "-", "-"]
            if level.hard is not None:
                cells = [str(level.hard), str(level.left), f"{level.percent} %"]
            table.add_row(
                row.namespace,
                *stream,
                level.resource,
                str(level.used),
                in_flight,
                *cells,
                level.source,
                style=_style(level),
            )
        table.add_section()
    return table


def _style(level: Level) -> str | None:
    if level.over:
        return "red"
    return "yellow" if (level.percent or 0) >= _NEARLY else None


def _images(rows: Sequence[NamespaceFullness]) -> Table:
    table = Table("Namespace", "Largest images", "Tags")
    table.columns[1].justify = "right"
    for row in rows:
        for image in row.largest:
            table.add_row(
                row.namespace,
                f"{readable(image.size)}  {short(image.digest)}",
                ", ".join(image.tags),
            )
        table.add_section()
    return table


def _summary(rows: Sequence[NamespaceFullness]) -> str:
    over = sum(any(level.over for level in (*row.totals, *row.streams)) for row in rows)
    text = f"{len(rows)} namespaces, {over} over a limit"
    known = [row.reservations for row in rows if row.reservations is not None]
    return f"{text}, {sum(known)} pushes in flight." if known else f"{text}."
