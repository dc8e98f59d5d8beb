"""The output of `registry-admission usage`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from app.cli import names, output, stored_report, table
from app.policy.fullness import Level
from app.reporting.auditing import NamespaceFullness
from app.reporting.numbers import counted, percent, readable, untagged

_RESOURCES = ("imagestreams", "images", "image-tags")
_TAGS = 3
"""The number of tags that are named for an image."""


@dataclass(frozen=True)
class Shown:
    streams: bool
    top: int
    """How many images are listed for each namespace."""
    sort_by: str
    output: str
    headers: bool


def show(rows: Sequence[NamespaceFullness], shown: Shown) -> None:
    """Print the counts as `shown.output`."""
    rows = sorted(rows, key=lambda row: row.namespace)
    if shown.sort_by != "name":
        rows.sort(key=_ORDERS[shown.sort_by], reverse=True)
    match shown.output:
        case "name":
            click.echo("".join(f"namespace/{row.namespace}\n" for row in rows), nl=False)
        case "json" | "yaml":
            content = {"items": [_content(row) for row in rows]}
            output.show(output.enveloped("UsageList", content), shown.output)
        case _:
            _show_tables(rows, shown)


def _total(resource: str) -> Callable[[NamespaceFullness], int]:
    return lambda row: max(
        (level.used for level in row.totals if level.resource.endswith(f"/{resource}")), default=0
    )


_ORDERS: Mapping[str, Callable[[NamespaceFullness], int]] = {
    "full": lambda row: row.percent,
    "streams": _total("imagestreams"),
    "images": _total("images"),
    "tags": _total("image-tags"),
    "in-flight": lambda row: row.reservations or 0,
    "bytes": lambda row: row.stored.total.known if row.stored else 0,
}


def _content(row: NamespaceFullness) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "pushesInFlight": row.reservations,
        "placesInEscrow": row.in_escrow,
        "totals": [_level(level, row) for level in row.totals],
        "untaggedImages": row.untagged,
        "streams": [{"stream": level.name, **_level(level, row)} for level in row.streams],
        **stored_report.content(row.stored),
        "largest": [
            {"digest": image.digest, "bytes": image.size, "tags": list(image.tags)}
            for image in row.largest
        ],
    }


def _level(level: Level, row: NamespaceFullness) -> dict[str, Any]:
    return {
        "resource": level.resource,
        "used": level.used,
        "inFlight": _in_flight(level, row),
        "hard": None if level.hard is None else level.hard.floor,
        "left": level.left,
        "limitedBy": level.source or None,
    }


def _show_tables(rows: Sequence[NamespaceFullness], shown: Shown) -> None:
    wide = shown.output == "wide"
    headings, cells = _counts(rows, wide) if shown.streams else _overview(rows, wide)
    table.show(headings, cells, headers=shown.headers)
    if shown.streams:
        stored = [(row.namespace, row.stored) for row in rows]
        stored_report.show_streams(stored, headers=shown.headers)
    if any(row.largest for row in rows):
        click.echo()
        table.show(
            ("Namespace", "Size", "Largest images", "Tags"), _images(rows, wide),
            headers=shown.headers,
        )  # fmt: skip
    click.echo(_summary(rows), err=True)
    for row in rows:
        if row.untagged:
            click.echo(f"Note: {row.namespace}: {untagged(row.untagged)}.", err=True)


def _overview(
    rows: Sequence[NamespaceFullness], wide: bool
) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    """One line for each namespace."""
    headings = ["Namespace", "Streams", "Images", "Tags", "In-flight", "Full", "Fullest"]
    if any(row.stored for row in rows):
        headings.append("Stored")
    cells = (_line(row, wide) for row in rows)
    return [*headings, "Limited-by", "In-escrow"] if wide else headings, cells


def _line(row: NamespaceFullness, wide: bool) -> list[str]:
    fullest = row.fullest
    line = [
        row.namespace,
        *map(_of, _tightest(row)),
        _known(row.reservations),
        percent(fullest) if fullest else "-",
        _use(fullest) if fullest else "-",
    ]
    if row.stored:
        line.append(stored_report.size(row.stored.total))
    wider = (fullest.source if fullest else "-", _known(row.in_escrow))
    return [*line, *wider] if wide else line


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
    return str(level.used) if level.hard is None else f"{level.used}/{level.hard}"


def _use(level: Level) -> str:
    name = f"{level.name}/" if level.kind == "ImageStream" else ""
    return f"{name}{names.resource(level.resource)}"


def _in_flight(level: Level, row: NamespaceFullness) -> int | None:
    """None: the ledgers of the service were not read."""
    return None if row.reservations is None else level.reserved


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)


def _counts(
    rows: Sequence[NamespaceFullness], wide: bool
) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """One line for each count of a namespace and of each of its streams."""
    headings = (
        "Namespace", "Stream", "Resource", "Used", "In-flight", "Hard", "Left", "Full", "Limited-by"
    )  # fmt: skip
    cells = (_count(row, level, wide) for row in rows for level in (*row.totals, *row.streams))
    return headings, cells


def _count(row: NamespaceFullness, level: Level, wide: bool) -> Sequence[str]:
    limited = level.hard is not None
    return (
        row.namespace,
        level.name if level.kind == "ImageStream" else "-",
        level.resource if wide else names.resource(level.resource),
        str(level.used),
        _known(_in_flight(level, row)),
        str(level.hard) if limited else "-",
        str(level.left) if limited else "-",
        percent(level),
        level.source or "-",
    )


def _images(rows: Sequence[NamespaceFullness], wide: bool) -> Iterator[Sequence[str]]:
    for row in rows:
        for image in row.largest:
            yield (
                row.namespace,
                readable(image.size),
                image.digest if wide else names.digest(image.digest),
                ", ".join(image.tags) if wide else names.some(image.tags, _TAGS),
            )


def _summary(rows: Sequence[NamespaceFullness]) -> str:
    over = sum(any(level.over for level in (*row.totals, *row.streams)) for row in rows)
    text = f"{counted(len(rows), 'namespace')}: {over} over a limit"
    known = [row.reservations for row in rows if row.reservations is not None]
    in_flight = counted(sum(known), "push", "pushes")
    return f"{text}, {in_flight} in flight." if known else f"{text}."
