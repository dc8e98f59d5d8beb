"""What `registry-admission convert` says about its work, on stderr."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
import yaml
from rich.table import Table

from app.cli.printing import console, some
from app.cluster.applying import Applied
from app.migration.conversion import Conversion, NamespaceConversion, Totals

FORMATS = ("table", "json", "yaml")
_NAMED = 3
"""So many of the namespaces that are converted alike are named."""
_UNIT_NOTES = {
    "binary": "One GB is read as 2^30 bytes: Registry v2's page replaces 1GB by 1Gi, and nothing "
    "that was allowed is refused. --size-unit decimal reads 10^9 bytes.",
    "decimal": "One GB is read as 10^9 bytes, as asked for.",
}


@dataclass(frozen=True)
class Report:
    conversion: Conversion
    totals: Totals
    size_unit: str
    namespaces_named: bool
    """Whether the namespaces were listed, rather than taken from the rules."""
    applied: Sequence[Applied]
    dry_run: str | None


def show(report: Report, output: str) -> None:
    """Print the report in one of FORMATS."""
    if output == "json":
        click.echo(json.dumps(_content(report), indent=2, ensure_ascii=False), err=True)
    elif output == "yaml":
        text = yaml.safe_dump(_content(report), sort_keys=False, allow_unicode=True)
        click.echo(text, nl=False, err=True)
    else:
        _show_table(report)


def _content(report: Report) -> dict[str, Any]:
    conversion = report.conversion
    return {
        "exact": conversion.exact,
        "namespaces": [_namespace(item) for item in conversion.namespaces],
        "undecided_rules": conversion.undecided,
        "unused_rules": conversion.unused,
        "notes": list(_notes(report)),
        "applied": [asdict(item) for item in report.applied],
    }


def _namespace(item: NamespaceConversion) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "exact": item.exact,
        "max_image_size": str(item.limits.max_image_size),
        "tag_count_limit": item.limits.tag_count_limit,
        "sources": [
            {
                "name": source.name,
                "max_image_size": str(source.limits.max_image_size),
                "tag_count_limit": source.limits.tag_count_limit,
                "example": source.example,
                "problem": source.problem,
            }
            for source in item.sources
        ],
        "changes": item.changes,
    }


def _show_table(report: Report) -> None:
    conversion, out = report.conversion, console(stderr=True)
    out.print(_limits(conversion))
    for name, problem in conversion.undecided.items():
        out.print(f"Undecided: {name}: {problem}; counted as if it may apply everywhere")
    for name in conversion.unused:
        out.print(f"Applies to none of these namespaces: {name}")
    for note in _notes(report):
        out.print(f"Note: {note}")
    for failed in (item for item in report.applied if not item.ok):
        out.print(f"Failed: {failed.object}: {failed.message}")
    out.print(_summary(report))


def _limits(conversion: Conversion) -> Table:
    """One row for all namespaces that get the same for the same reason."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for item in conversion.namespaces:
        row = (
            str(item.limits.max_image_size),
            str(item.limits.tag_count_limit),
            "\n".join(source.name for source in item.sources),
            "exact" if item.exact else "approximate",
            "\n".join(item.changes),
        )
        alike.setdefault(row, []).append(item.namespace)
    table = Table("Namespaces", "Images up to", "Tags", "From", "Result", "What changes")
    for cells, namespaces in alike.items():
        table.add_row(some(namespaces, _NAMED), *cells)
    return table


def _notes(report: Report) -> Iterator[str]:
    yield _UNIT_NOTES[report.size_unit]
    yield (
        "The gateway's limits hold for namespaces that do not exist yet, a LimitRange does not: "
        "apply one to each new namespace."
    )
    yield (
        "An image's size is that of its distinct layers and its config; the gateway left out the "
        "config, usually a few KB."
    )
    if not report.namespaces_named:
        yield (
            "No namespaces were listed: only those that a rule names are converted. "
            "All others had the defaults: list them with --namespaces."
        )
    if report.totals == Totals():
        yield (
            "No ResourceQuota: the gateway limits single repositories, no total of a namespace "
            "follows from that. Choose one with --tags-per-namespace and its like."
        )


def _summary(report: Report) -> str:
    items = report.conversion.namespaces
    exact = sum(item.exact for item in items)
    text = f"{len(items)} namespaces: {exact} exact, {len(items) - exact} approximate."
    if report.applied:
        done = sum(item.ok for item in report.applied)
        verb = "would be applied" if report.dry_run else "applied"
        text += f" {done} of {len(report.applied)} objects {verb}."
    return text
