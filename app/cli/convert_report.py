"""The report of `registry-admission convert`, on stderr."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from app.cli import names, output, table
from app.cluster.applying import Applied
from app.migration.conversion import Conversion, NamespaceConversion, Totals
from app.reporting.numbers import counted

_NAMED = 3
"""The number of namespaces with the same result that are named."""
_UNIT_NOTES = {
    "binary": "One GB is read as 2^30 bytes: Registry v2's page replaces 1GB by 1Gi, and no image "
    "that was allowed is refused. --size-unit decimal reads 10^9 bytes.",
    "decimal": "One GB is read as 10^9 bytes, as asked for.",
}


@dataclass(frozen=True)
class Report:
    conversion: Conversion
    totals: Totals
    unread: Sequence[str]
    """Keys of the ConfigMap that the gateway does not read."""
    size_unit: str
    namespaces_named: bool
    """Whether the namespaces were listed, rather than taken from the rules."""
    applied: Sequence[Applied]
    dry_run: str | None


def show(report: Report, form: str, *, headers: bool) -> None:
    """Print the report on stderr as `form`: table, json or yaml."""
    if form == "table":
        _show_table(report, headers)
    else:
        output.show(output.enveloped("Conversion", _content(report)), form, err=True)


def _content(report: Report) -> dict[str, Any]:
    conversion = report.conversion
    return {
        "exact": conversion.exact,
        "namespaces": [_namespace(item) for item in conversion.namespaces],
        "undecidedRules": conversion.undecided,
        "unusedRules": conversion.unused,
        "unreadKeys": list(report.unread),
        "notes": list(_notes(report)),
        "applied": [asdict(item) for item in report.applied],
    }


def _namespace(item: NamespaceConversion) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "exact": item.exact,
        "maxImageSize": str(item.limits.max_image_size),
        "tagCountLimit": item.limits.tag_count_limit,
        "sources": [
            {
                "name": source.name,
                "maxImageSize": str(source.limits.max_image_size),
                "tagCountLimit": source.limits.tag_count_limit,
                "example": source.example,
                "problem": source.problem,
            }
            for source in item.sources
        ],
        "changes": item.changes,
    }


def _show_table(report: Report, headers: bool) -> None:
    conversion = report.conversion
    table.show(
        ("Namespaces", "Image-size", "Tags", "From", "Result"),
        _limits(conversion),
        headers=headers,
        err=True,
    )
    for change, namespaces in _changes(conversion).items():
        _say(f"Changes: {names.some(namespaces, _NAMED)}: {change}")
    for name, problem in conversion.undecided.items():
        _say(f"Undecided: {name}: {problem}; counted as if it may apply everywhere")
    for name in conversion.unused:
        _say(f"Applies to none of these namespaces: {name}")
    for key in report.unread:
        _say(f"Not converted: {key}: the gateway does not read it")
    for note in _notes(report):
        _say(f"Note: {note}")
    for failed in (item for item in report.applied if not item.ok):
        _say(f"Failed: {failed.object}: {failed.message}")
    _say(_summary(report))


def _limits(conversion: Conversion) -> Iterator[Sequence[str]]:
    """One row for all namespaces that get the same limits from the same rules."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for item in conversion.namespaces:
        row = (
            str(item.limits.max_image_size),
            str(item.limits.tag_count_limit),
            ", ".join(source.name for source in item.sources),
            "exact" if item.exact else "approximate",
        )
        alike.setdefault(row, []).append(item.namespace)
    for cells, namespaces in alike.items():
        yield names.some(namespaces, _NAMED), *cells


def _changes(conversion: Conversion) -> dict[str, list[str]]:
    """The namespaces of each change."""
    found: dict[str, list[str]] = {}
    for item in conversion.namespaces:
        for change in item.changes:
            found.setdefault(change, []).append(item.namespace)
    return found


def _say(text: str) -> None:
    click.echo(text, err=True)


def _notes(report: Report) -> Iterator[str]:
    yield _UNIT_NOTES[report.size_unit]
    yield (
        "The gateway's limits also apply to new namespaces, a LimitRange does not: --template and "
        "the controller namespace-limits create limits in new namespaces."
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
            "No ResourceQuota is written: the gateway has no limit for a whole namespace. Choose "
            "one with --streams-per-namespace, --images-per-namespace or --tags-per-namespace."
        )


def _summary(report: Report) -> str:
    items = report.conversion.namespaces
    exact = sum(item.exact for item in items)
    text = f"{counted(len(items), 'namespace')}: {exact} exact, {len(items) - exact} approximate."
    if report.applied:
        done = sum(item.ok for item in report.applied)
        verb = "would be applied" if report.applied[0].tried else "applied"
        if report.applied[0].tried and not report.dry_run:
            verb += "; nothing was written"
        text += f" {done} of {counted(len(report.applied), 'object')} {verb}."
    return text
