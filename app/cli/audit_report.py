"""What `registry-admission audit` prints: a table, data for scripts, or a page."""

import json
from collections.abc import Sequence
from typing import Any

import click
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

from app.cli.looking import readable
from app.cluster.api import Content
from app.policy.audit import NamespaceAudit
from app.policy.fullness import Level

FORMATS = ("table", "json", "yaml", "html", "policyreport")


def show(audits: Sequence[NamespaceAudit], output: str) -> None:
    """Print the report in one of FORMATS."""
    match output:
        case "json":
            click.echo(json.dumps([content(item) for item in audits], indent=2))
        case "yaml":
            found = [content(item) for item in audits]
            text = yaml.dump(found, Dumper=yaml.CSafeDumper, sort_keys=False)
            click.echo(text, nl=False)
        case "html":
            click.echo(page(audits))
        case _:
            _show_table(audits)


def show_objects(objects: Sequence[Content]) -> None:
    """Print Kubernetes objects for kubectl."""
    text = yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False, explicit_start=True)
    click.echo(text, nl=False)


def content(item: NamespaceAudit) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "over": [
            {
                "kind": level.kind,
                "name": level.name,
                "resource": level.resource,
                "used": level.used,
                "hard": str(level.hard),
                "over": level.over,
                "source": level.source,
            }
            for level in item.over
        ],
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


def page(audits: Sequence[NamespaceAudit]) -> str:
    """One self-contained HTML file, the namespaces that are over their limits first."""
    environment = Environment(
        loader=PackageLoader("app.cli"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["amount"] = amount
    environment.filters["bytes"] = readable
    over = sorted((item for item in audits if item.over), key=lambda item: -len(item.over))
    return environment.get_template("audit.html.j2").render(
        over=over, fine=[item for item in audits if not item.over], count=len(audits)
    )


def amount(level: Level, number: int) -> str:
    """A number of bytes in a readable unit, or a count as it is."""
    return readable(number) if level.resource == "storage" else str(number)


def _show_table(audits: Sequence[NamespaceAudit]) -> None:
    out = Console(markup=False, highlight=False)
    table = Table("Namespace", "Over its limit", "Resource")
    for heading in ("Used", "Hard", "Over by"):
        table.add_column(heading, justify="right")
    table.add_column("Limited by")
    for item in audits:
        for level in item.over:
            hard = amount(level, level.hard.floor) if level.hard else ""
            table.add_row(
                item.namespace,
                f"{level.kind} {level.name}",
                level.resource,
                amount(level, level.used),
                hard,
                amount(level, level.over),
                level.source,
            )
    if table.row_count:
        out.print(table)
    for item in audits:
        _show_hints(out, item)
    over = sum(1 for item in audits if item.over)
    out.print(f"{len(audits)} namespaces: {over} over a limit.")


def _show_hints(out: Console, item: NamespaceAudit) -> None:
    if item.over:
        for image in item.largest:
            tags = ", ".join(image.tags)
            out.print(f"{item.namespace}: {readable(image.size)} {image.digest} ({tags})")
        for tag in item.oldest:
            pushed = f"{tag.pushed:%Y-%m-%d}" if tag.pushed else "at an unknown time"
            out.print(f"{item.namespace}: {tag.name} was last pushed {pushed}")
    if item.unknown_sizes:
        out.print(f"{item.namespace}: images of unknown size: {item.unknown_sizes}")
    if item.unlimited:
        out.print(f"{item.namespace}: nothing limits it")
