"""`registry-admission check`."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click
import yaml
from rich.console import Console
from rich.table import Table

from app.cli.looking import show_warnings
from app.cli.options import SettingsCommand
from app.cluster.embedded import EmbeddedState
from app.cluster.manifests import ManifestError
from app.config import examples
from app.config.settings import Settings
from app.wiring import checking
from app.wiring.checking import Result

_SETTINGS = (
    "state",
    "api_domain",
    "unknown_size",
    "followed_tags",
    "registry_hosts",
    "registry_namespace",
    "legacy_modes",
    "legacy_namespaces",
    "data_loss_guard",
    "reference_checks",
    "trusted_ca_namespace",
)


@click.command(cls=SettingsCommand, settings=_SETTINGS)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True, path_type=Path)
)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table",
    help="How to print the results.  [default: table]",
)  # fmt: skip
def check(settings: Settings, files: tuple[Path, ...], output: str) -> None:
    """Decide files as if they were applied, one after another.

    A FILE holds AdmissionReviews or plain manifests, in YAML or JSON; `-` is standard input,
    and of a folder every manifest is read. What is allowed counts for what comes after it. An
    object that no policy decides on is "not checked". The exit code is 1 if anything is refused, 2
    if a file cannot be read.

    \b
    Examples:
      registry-admission check limits.yaml --state limits/
      registry-admission check review.json -o json
      kubectl kustomize . | registry-admission check - --state limits/
    """
    try:
        state = EmbeddedState(settings.state or examples.state_folder(), settings.domain)
        show_warnings(state.warnings)
        results = asyncio.run(checking.check(files, settings, state))
    except ManifestError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    _print(results, output)
    if not all(result.allowed for result in results):
        raise SystemExit(1)


def _print(results: Sequence[Result], output: str) -> None:
    rows = [asdict(result) for result in results]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(rows, sort_keys=False), nl=False)
    else:
        _print_table(results)


def _verdict(result: Result) -> str:
    if not result.allowed:
        return "denied"
    return "allowed" if result.checked else "not checked"


def _print_table(results: Iterable[Result]) -> None:
    """What was decided at a glance, and below it why: texts that can be copied as they are."""
    table = Table()
    for title in ("File", "Object", "Verdict"):
        table.add_column(title, overflow="fold")
    texts = []
    for result in results:
        where = f"{result.file}:{result.line}"
        table.add_row(where, result.object, _verdict(result))
        texts += [f"{where}: {result.message}"] if result.message else []
        texts += [f"{where}: warning: {warning}" for warning in result.warnings]
    Console(markup=False).print(table)
    for text in texts:
        click.echo(f"\n{text}")
