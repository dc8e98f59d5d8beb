"""`registry-admission usage`."""

import sys
from contextlib import aclosing

import click

from app.cli import looking, usage_report
from app.cli.options import SettingsCommand
from app.config.settings import Settings
from app.reporting import auditing, inventories
from app.reporting.inventory import Inventory

_TOP = 5


@click.command(cls=SettingsCommand, settings=inventories.SETTINGS)
@looking.options
@click.option(
    "--streams/--no-streams", default=None,
    help="Show every ImageStream.  [default: with -n]",
)  # fmt: skip
@click.option(
    "--top",
    type=click.IntRange(min=0),
    help=f"How many of each namespace's largest images to list.  [default: {_TOP} with -n, else 0]",
)
@click.option(
    "--sort", type=click.Choice(["full", "name"]), default="full",
    help="What comes first: the fullest, or the first in the alphabet.  [default: full]",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Choice(usage_report.FORMATS), default="table",
    help="How to print the counts.  [default: table]",
)  # fmt: skip
@click.option("-w", "--watch", is_flag=True, help="Print again whenever something changes.")
def usage(
    settings: Settings,
    namespaces: tuple[str, ...],
    service_namespace: str | None,
    streams: bool | None,
    top: int | None,
    sort: str,
    output: str,
    watch: bool,
) -> None:
    """Show how full namespaces and their ImageStreams are.

    Looks at a folder (--state), or at the cluster that kubectl would take. Each ResourceQuota
    counts by itself; of several LimitRanges the lowest maximum is shown. In flight is what was
    admitted and is not stored yet; it counts as used.

    \b
    Examples:
      registry-admission usage
      registry-admission usage -n team-a --watch
      registry-admission usage --context staging -o json
      registry-admission usage --state limits/
    """
    chosen = bool(namespaces)
    shown = usage_report.Shown(
        streams=chosen if streams is None else streams,
        top=(_TOP if chosen else 0) if top is None else top,
        fullest_first=sort == "full",
    )

    async def show(inventory: Inventory) -> None:
        rows = await auditing.fullness_of(inventory, settings.domain, namespaces, top=shown.top)
        usage_report.show(rows, shown, output)
        looking.show_notes(inventory)

    async def follow(inventory: Inventory) -> None:
        await show(inventory)
        async with aclosing(inventory.changes()) as changes:
            async for _ in changes:
                if sys.stdout.isatty():
                    click.clear()
                await show(inventory)

    looking.look(settings, service_namespace, namespaces, follow if watch else show)
