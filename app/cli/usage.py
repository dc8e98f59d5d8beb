"""`registry-admission usage`."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table
from watchfiles import awatch

from app import auditing, examples
from app.auditing import NamespaceFullness
from app.cli.options import SettingsCommand
from app.cluster.embedded import EmbeddedState
from app.cluster.manifests import ManifestError
from app.policy.fullness import Level
from app.settings import Settings


@click.command(cls=SettingsCommand, settings=("state", "api_domain"))
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Only this; may be repeated.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table",
    help="How to print the counts.  [default: table]",
)  # fmt: skip
@click.option("-w", "--watch", is_flag=True, help="Print again whenever the folder changes.")
def usage(settings: Settings, namespaces: tuple[str, ...], output: str, watch: bool) -> None:
    """Show how full namespaces and their ImageStreams are.

    Each ResourceQuota counts by itself; of several LimitRanges the lowest maximum is shown.

    \b
    Examples:
      registry-admission usage --state limits/
      registry-admission usage --state limits/ -n team-a --watch
      registry-admission usage --state limits/ -o json
    """
    folder = settings.state or examples.state_folder()
    try:
        state = EmbeddedState(folder, settings.domain)
    except ManifestError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None

    def show() -> None:
        _print(auditing.fullness_of(state, settings.domain, namespaces), output)

    show()
    if watch:
        asyncio.run(_follow(state, folder, show))


async def _follow(state: EmbeddedState, folder: Path, show: Callable[[], None]) -> None:
    async for _ in awatch(folder):
        state.reload()
        if sys.stdout.isatty():
            click.clear()
        show()
        if state.broken:
            click.echo(f"Error: {state.broken}", err=True)


def _print(rows: list[NamespaceFullness], output: str) -> None:
    if output == "json":
        click.echo(json.dumps([_content(row) for row in rows], indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump([_content(row) for row in rows], sort_keys=False), nl=False)
    else:
        Console(markup=False, highlight=False).print(_table(rows))


def _content(row: NamespaceFullness) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "totals": [_level(level) for level in row.totals],
        "streams": [{"stream": level.name, **_level(level)} for level in row.streams],
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "resource": level.resource,
        "used": level.used,
        "hard": None if level.hard is None else str(level.hard),
        "left": level.left,
        "source": level.source or None,
    }


def _table(rows: list[NamespaceFullness]) -> Table:
    table = Table("Namespace", "ImageStream", "Resource")
    for heading in ("Used", "Hard", "Left", "Full"):
        table.add_column(heading, justify="right")
    table.add_column("Limited by")
    for row in rows:
        for level in (*row.totals, *row.streams):
            limited = level.hard is not None
            table.add_row(
                row.namespace,
                level.name if level.kind == "ImageStream" else "",
                level.resource,
                str(level.used),
                str(level.hard) if limited else "-",
                str(level.left) if limited else "-",
                f"{level.percent} %" if limited else "-",
                level.source,
                style="red" if level.over else None,
            )
        table.add_section()
    return table
