"""What `registry-admission audit` prints: a table, data for scripts, a page, or objects."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import yaml
from rich.table import Table

from app.cli import audit_page
from app.cli.printing import amount, console, short, some
from app.cluster.api import Content
from app.policy.fullness import Level
from app.reporting.audit import NamespaceAudit, severity, worst_first
from app.reporting.numbers import readable

FORMATS = ("table", "json", "yaml", "html", "policyreport")
_NAMED = 3
"""So many of an image's tags, or of the namespaces of which there is nothing else to say."""
_STYLES = {"high": "bold red", "medium": "red", "low": "yellow"}


def show(audits: Sequence[NamespaceAudit], output: str, *, details: bool, proposed: bool) -> None:
    """Print the report in one of FORMATS; a table has everything, or a line for each namespace.

    `proposed` says that limits were tried that are not in force.
    """
    match output:
        case "json":
            click.echo(json.dumps([content(item) for item in audits], indent=2))
        case "yaml":
            found = [content(item) for item in audits]
            text = yaml.dump(found, Dumper=yaml.CSafeDumper, sort_keys=False)
            click.echo(text, nl=False)
        case "html":
            click.echo(audit_page.render(audits, now=datetime.now(UTC), proposed=proposed))
        case _:
            _show_table(worst_first(list(audits)), details)


def show_objects(objects: Sequence[Content]) -> None:
    """Print Kubernetes objects for kubectl."""
    text = yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False, explicit_start=True)
    click.echo(text, nl=False)


def content(item: NamespaceAudit) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "severity": item.severity,
        "over": [_level(level, item) for level in item.over],
        "unlimited": item.unlimited,
        "unknown_sizes": item.unknown_sizes,
        "largest": [
            {"digest": image.digest, "size": image.size, "tags": list(image.tags)}
            for image in item.largest
        ],
        "oldest": [
            {"tag": tag.name, "pushed": tag.pushed.isoformat() if tag.pushed else None}
            for tag in item.oldest
        ],
    }


def _level(level: Level, item: NamespaceAudit) -> dict[str, Any]:
    tags = {"tags": list(item.tags[level.name])} if level.kind == "Image" else {}
    return {
        "kind": level.kind,
        "name": level.name,
        **tags,
        "resource": level.resource,
        "used": level.used,
        "hard": str(level.hard),
        "over": level.over,
        "severity": severity(level),
        "source": level.source,
    }


def _show_table(audits: Sequence[NamespaceAudit], details: bool) -> None:
    out = console()
    over = [item for item in audits if item.over]
    if over:
        out.print(_details(over) if details else _overview(over))
    for line in _hints(over) if details else ():
        out.print(line)
    for line in _rest(audits):
        out.print(line)
    out.print(f"{len(audits)} namespaces: {len(over)} over a limit.")
    if over and not details:
        out.print("See all of one with -n NAMESPACE or --details, of every one with -o html.")


def _overview(audits: Sequence[NamespaceAudit]) -> Table:
    """One line for each namespace."""
    table = Table("Namespace", "Severity", "Over", "The worst", "Limited by")
    table.columns[2].justify = "right"
    for item in audits:
        worst, found = item.over[0], item.severity or ""
        hard = amount(worst, worst.hard.floor) if worst.hard else ""
        unit = "" if worst.kind == "Image" else f" {worst.resource}"
        what = f"{_title(worst, item)}: {amount(worst, worst.used)} of {hard}{unit}"
        table.add_row(
            item.namespace, found, str(len(item.over)), what, worst.source, style=_STYLES[found]
        )
    return table


def _details(audits: Sequence[NamespaceAudit]) -> Table:
    """One line for everything that is over."""
    table = Table("Namespace", "Severity", "Over its limit", "Resource")
    for heading in ("Used", "Hard", "Over by"):
        table.add_column(heading, justify="right")
    table.add_column("Limited by")
    for item in audits:
        for level in item.over:
            hard = amount(level, level.hard.floor) if level.hard else ""
            table.add_row(
                item.namespace,
                severity(level),
                _title(level, item),
                level.resource,
                amount(level, level.used),
                hard,
                amount(level, level.over),
                level.source,
            )
        table.add_section()
    return table


def _title(level: Level, item: NamespaceAudit) -> str:
    if level.kind == "Image":
        return f"Image {short(level.name)} ({some(item.tags[level.name], _NAMED)})"
    return f"{level.kind} {level.name}"


def _hints(audits: Sequence[NamespaceAudit]) -> Iterator[str]:
    for item in audits:
        for image in item.largest:
            tags = some(image.tags, _NAMED)
            yield f"{item.namespace}: {readable(image.size)} {image.digest} ({tags})"
        for tag in item.oldest:
            pushed = f"{tag.pushed:%Y-%m-%d}" if tag.pushed else "at an unknown time"
            yield f"{item.namespace}: {tag.name} was last pushed {pushed}"


def _rest(audits: Sequence[NamespaceAudit]) -> Iterator[str]:
    unknown = [f"{item.namespace} ({item.unknown_sizes})" for item in audits if item.unknown_sizes]
    if unknown:
        yield f"Images of unknown size: {some(unknown, _NAMED)}"
    unlimited = [item.namespace for item in audits if item.unlimited]
    if unlimited:
        yield f"Nothing limits {some(unlimited, _NAMED)}"
