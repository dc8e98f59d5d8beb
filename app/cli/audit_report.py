"""The output of `registry-admission audit`: a table, data for scripts, a page, or objects."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from app.cli import audit_page, names, output, stored_report, table
from app.cluster.api import Content
from app.policy.fullness import Level
from app.reporting.audit import NamespaceAudit, severity, worst_first
from app.reporting.numbers import amount, counted, readable

_NAMED = 3
"""The number of tags, or of namespaces in a summary line, that are named."""


def show(
    audits: Sequence[NamespaceAudit],
    form: str,
    *,
    details: bool,
    proposed: bool,
    headers: bool,
    cluster: str,
) -> None:
    """Print the report as `form`.

    `details`: the table has a row for each object over a limit, else one for each namespace.
    `proposed`: the audit tried limits that are not in force. `cluster`: its name, for the page.
    """
    match form:
        case "json" | "yaml":
            items = [content(item) for item in audits]
            output.show(output.enveloped("AuditList", {"items": items}), form)
        case "html":
            now = datetime.now(UTC)
            click.echo(audit_page.render(audits, now=now, proposed=proposed, cluster=cluster))
        case "name":
            over = [item for item in worst_first(list(audits)) if item.over]
            click.echo("".join(f"namespace/{item.namespace}\n" for item in over), nl=False)
        case _:
            _show_table(worst_first(list(audits)), details, wide=form == "wide", headers=headers)


def show_objects(objects: Sequence[Content]) -> None:
    """Print Kubernetes objects for kubectl."""
    click.echo(output.as_yaml(objects, explicit_start=True), nl=False)


def content(item: NamespaceAudit) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "severity": item.severity,
        "over": [_level(level, item) for level in item.over],
        "unlimited": item.unlimited,
        "unknownSizes": item.unknown_sizes,
        **stored_report.content(item.stored),
        "largest": [
            {"digest": image.digest, "bytes": image.size, "tags": list(image.tags)}
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
        "hard": level.hard.floor if level.hard else None,
        "over": level.over,
        "severity": severity(level),
        "limitedBy": level.source,
    }


def _show_table(
    audits: Sequence[NamespaceAudit], details: bool, *, wide: bool, headers: bool
) -> None:
    over = [item for item in audits if item.over]
    if over:
        headings, rows = _details(over, wide) if details else _overview(over, wide)
        table.show(headings, rows, headers=headers)
    for line in _hints(over) if details else ():
        click.echo(line)
    if details:
        stored_report.show_streams(
            [(each.namespace, each.stored) for each in audits], headers=headers
        )
    for line in _rest(audits):
        click.echo(line, err=True)
    click.echo(f"{counted(len(audits), 'namespace')}: {len(over)} over a limit.", err=True)
    if over and not details:
        click.echo(
            "`audit NAMESPACE` or `--details` lists everything; `-o html` shows all namespaces.",
            err=True,
        )


def _overview(
    audits: Sequence[NamespaceAudit], wide: bool
) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """One line for each namespace."""
    headings = ["Namespace", "Severity", "Over", "Worst", "Resource", "Used", "Hard", "Limited-by"]
    if any(item.stored for item in audits):
        headings.append("Stored")
    return headings, (_line(item, wide) for item in audits)


def _line(item: NamespaceAudit, wide: bool) -> list[str]:
    worst = _cells(item.over[0], item, wide)
    line = [item.namespace, item.severity or "", str(len(item.over)), *worst]
    return [*line, stored_report.size(item.stored.total)] if item.stored else line


def _details(
    audits: Sequence[NamespaceAudit], wide: bool
) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """One line for each object over a limit."""
    headings = (
        "Namespace", "Severity", "Over-by", "Object", "Resource", "Used", "Hard", "Limited-by"
    )  # fmt: skip
    return headings, (
        (item.namespace, severity(level), amount(level, level.over), *_cells(level, item, wide))
        for item in audits
        for level in item.over
    )


def _cells(level: Level, item: NamespaceAudit, wide: bool) -> Sequence[str]:
    hard = amount(level, level.hard.floor) if level.hard else "-"
    resource = level.resource if wide else names.resource(level.resource)
    used = amount(level, level.used)
    return _title(level, item, wide), resource, used, hard, level.source


def _title(level: Level, item: NamespaceAudit, wide: bool) -> str:
    if level.kind == "Image":
        tags = item.tags[level.name]
        known = ", ".join(tags) if wide else names.some(tags, _NAMED)
        return f"Image {level.name if wide else names.digest(level.name)} ({known})"
    return f"{level.kind} {level.name}"


def _hints(audits: Sequence[NamespaceAudit]) -> Iterator[str]:
    for item in audits:
        for image in item.largest:
            tags = names.some(image.tags, _NAMED)
            yield f"{item.namespace}: {readable(image.size)} {image.digest} ({tags})"
        for tag in item.oldest:
            pushed = f"{tag.pushed:%Y-%m-%d}" if tag.pushed else "at an unknown time"
            yield f"{item.namespace}: {tag.name} was last pushed {pushed}"


def _rest(audits: Sequence[NamespaceAudit]) -> Iterator[str]:
    unknown = [f"{item.namespace} ({item.unknown_sizes})" for item in audits if item.unknown_sizes]
    if unknown:
        yield f"Images of unknown size: {names.some(unknown, _NAMED)}"
    unlimited = [item.namespace for item in audits if item.unlimited]
    if unlimited:
        yield f"Nothing limits {names.some(unlimited, _NAMED)}"
