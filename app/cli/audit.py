"""`registry-admission audit`."""

import asyncio
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from app import auditing, examples
from app.cli import audit_report
from app.cli.options import SettingsCommand
from app.cluster import manifests
from app.cluster.embedded import EmbeddedState, read_limits
from app.cluster.manifests import ManifestError
from app.policy.audit import NamespaceAudit
from app.settings import Settings


@click.command(cls=SettingsCommand, settings=("state", "api_domain"))
@click.option(
    "--proposed",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="File or folder of LimitRanges and ResourceQuotas to try; may be repeated.",
)
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Only this; may be repeated.")
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=5,
    help="How many images and tags to list for each namespace.  [default: 5]",
)
@click.option(
    "-o", "--output", type=click.Choice(audit_report.FORMATS), default="table",
    help="How to print the report.  [default: table]",
)  # fmt: skip
def audit(
    settings: Settings,
    proposed: tuple[Path, ...],
    namespaces: tuple[str, ...],
    top: int,
    output: str,
) -> None:
    """Show what passes its limits, and what to look at first.

    Namespaces that --proposed objects name are held against these alone, all others against
    their present limits. Limits delete nothing, they refuse what is new: what is over a limit
    stays and cannot grow.

    The exit code is 1 if anything is over a limit, 2 if a file cannot be read.

    \b
    Examples:
      registry-admission audit --state limits/
      registry-admission audit --state limits/ --proposed converted/
      registry-admission audit --state limits/ -o html > audit.html
    """
    try:
        audits = asyncio.run(_audit(settings, proposed, namespaces, top))
    except ManifestError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    audit_report.show(audits, output)
    if any(item.over for item in audits):
        raise SystemExit(1)


async def _audit(
    settings: Settings, proposed: tuple[Path, ...], namespaces: tuple[str, ...], top: int
) -> list[NamespaceAudit]:
    folder = settings.state or examples.state_folder()
    return await auditing.audit_all(
        EmbeddedState(folder, settings.domain),
        settings.domain,
        namespaces=namespaces,
        proposed=read_limits(chain.from_iterable(map(_files, proposed)), settings.domain),
        pushed=auditing.pushed_in(folder, settings.domain),
        top=top,
    )


def _files(path: Path) -> Iterable[Path]:
    return manifests.files(path) if path.is_dir() else [path]
