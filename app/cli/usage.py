"""`registry-admission usage`."""

import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli import output as outputs
from app.cli import read_only_command, stored_report
from app.cli.options import SettingsCommand
from app.cli.read_only_command import Selection
from app.config.settings import Settings

if TYPE_CHECKING:
    from app.reporting.inventory import Inventory

_TOP = 5
_SORTED_BY = ("full", "name", "streams", "images", "tags", "in-flight", "bytes")


@click.command(cls=SettingsCommand, settings=("state", "kubeconfig", "context", "api_domain"))
@read_only_command.options
@click.option(
    "--streams/--no-streams", default=None,
    help="Show every ImageStream.  [default: only of namespaces that are named]",
)  # fmt: skip
@click.option(
    "--top",
    type=click.IntRange(min=0),
    help="How many of each namespace's largest images to list.  "
    f"[default: {_TOP}, only of namespaces that are named]",
)
@stored_report.option
@click.option(
    "--sort-by", type=click.Choice(_SORTED_BY), default="full",
    help="Order: by name, or the largest number first.  [default: full]",
)  # fmt: skip
@click.option(
    "--database", type=click.Path(path_type=Path),
    help="Database of a gateway before a plain registry: show its counts, with the limits in "
    "--state.",
)  # fmt: skip
@outputs.option("table", "wide", "name", *outputs.DATA)
@outputs.no_headers
@click.option("-w", "--watch", is_flag=True, help="Print again whenever something changes.")
def usage(
    settings: Settings,
    selection: Selection,
    streams: bool | None,
    top: int | None,
    with_bytes: bool,
    sort_by: str,
    database: Path | None,
    output: str,
    headers: bool,
    watch: bool,
) -> None:
    """Show how full namespaces and ImageStreams are.

    Reads the cluster that kubectl uses, or a folder (--state). Each ResourceQuota has its own
    counts; of several LimitRanges, the lowest maximum is shown. A push in flight is admitted and
    not stored yet; it counts as used. So does a place in escrow (-o wide): a replica gives it out
    without a write, and a replica that has crashed holds it for a few minutes.

    \b
    Examples:
      registry-admission usage
      registry-admission usage team-a --watch
      registry-admission usage --context staging -o json
      registry-admission usage --state limits/ --sort-by tags
      registry-admission usage --state limits/ --database gateway.db
    """
    if database is not None and settings.state is None:
        raise click.UsageError("--database needs --state, the folder of the gateway's limits")
    from app.cli import usage_report
    from app.reporting import auditing

    shown = usage_report.Shown(
        streams=selection.named if streams is None else streams,
        top=(_TOP if selection.named else 0) if top is None else top,
        sort_by=sort_by,
        output=output,
        headers=headers,
    )

    async def show(inventory: "Inventory") -> None:
        names = selection.namespaces
        rows = await auditing.fullness_of(
            inventory,
            settings.domain,
            names,
            top=shown.top,
            with_bytes=with_bytes or sort_by == "bytes",
        )
        usage_report.show(rows, shown)
        read_only_command.show_notes(inventory)

    async def follow(inventory: "Inventory") -> None:
        await show(inventory)
        async with aclosing(inventory.changes()) as changes:
            async for _ in changes:
                if sys.stdout.isatty():
                    click.clear()
                await show(inventory)

    work = follow if watch else show
    read_only_command.look(settings, selection, work, times=False, database=database)
