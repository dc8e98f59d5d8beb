"""What `registry-admission usage` prints."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import yaml
from rich.table import Table

from app.cli.printing import console, short, some
from app.policy.fullness import Level
from app.reporting.auditing import NamespaceFullness
from app.reporting.numbers import readable

FORMATS = ("table", "json", "yaml")
_NEARLY = 80
"""Percent from which on a limit is worth a look."""
_RESOURCES = ("imagestreams", "images", "image-tags")
_TAGS = 3
"""So many of an image's tags are named."""


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
    out = console()
    out.print(_counts(rows) if shown.streams else _overview(rows))
    if any(row.largest for row in rows):
        out.print(_images(rows))
    out.print(_summary(rows))


def _overview(rows: Sequence[NamespaceFullness]) -> Table:
    """One line for each namespace."""
    table = Table("Namespace")
    for heading in ("Streams", "Images", "Tags", "In flight", "Full"):
        table.add_column(heading, justify="right")
    table.add_column("The fullest")
    for row in rows:
        fullest = row.fullest
        table.add_row(
            row.namespace,
            *map(_of, _tightest(row)),
            _known(row.reservations),
            f"{row.percent} %" if fullest else "-",
            _use(fullest) if fullest else "nothing is limited",
            style=_style(fullest) if fullest else None,
        )
    return table


def _tightest(row: NamespaceFullness) -> Iterable[Level]:
    """Streams, images and tags of the namespace; of several quotas the one with least room."""
    found: dict[str, Level] = {}
    for level in row.totals:
        known = found.setdefault(level.resource, level)
        if (level.left or 0) < (known.left or 0):
            found[level.resource] = level
    return (found[resource] for resource in sorted(found, key=_order))


def _order(resource: str) -> int:
    return _RESOURCES.index(resource.rpartition("/")[2])


def _of(level: Level) -> str:
    return str(level.used) if level.hard is None else f"{level.used} / {level.hard}"


def _use(level: Level) -> str:
    name = f"{level.name}: " if level.kind == "ImageStream" else ""
    return f"{name}{level.used} of {level.hard} {level.resource}, {level.source}"


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)


def _counts(rows: Sequence[NamespaceFullness]) -> Table:
    """One line for each count of a namespace and of each of its streams."""
    table = Table("Namespace", "ImageStream", "Resource")
    for heading in ("Used", "In flight", "Hard", "Left", "Full"):
        table.add_column(heading, justify="right")
    table.add_column("Limited by")
    for row in rows:
        for level in (*row.totals, *row.streams):
            cells = ["-", "-", "-"]
            if level.hard is not None:
                cells = [str(level.hard), str(level.left), f"{level.percent} %"]
            table.add_row(
                row.namespace,
                level.name if level.kind == "ImageStream" else "",
                level.resource,
                str(level.used),
                _known(None if row.reservations is None else level.reserved),
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
                some(image.tags, _TAGS),
            )
        table.add_section()
    return table


def _summary(rows: Sequence[NamespaceFullness]) -> str:
    over = sum(any(level.over for level in (*row.totals, *row.streams)) for row in rows)
    text = f"{len(rows)} namespaces, {over} over a limit"
    known = [row.reservations for row in rows if row.reservations is not None]
    return f"{text}, {sum(known)} pushes in flight." if known else f"{text}."
