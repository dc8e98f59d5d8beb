"""`registry-admission check`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli import output as outputs
from app.cli import read_only_command, table
from app.cli.exit_codes import ExitCode
from app.cli.options import SettingsCommand
from app.config.settings import Settings

if TYPE_CHECKING:
    from app.wiring.checking import Result

_SETTINGS = (
    "state",
    "kubeconfig",
    "context",
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
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True, path_type=Path))
@click.option("--examples", is_flag=True, help="Decide on the examples of this project.")
@outputs.option("table", *outputs.DATA)
@outputs.no_headers
def check(
    settings: Settings, files: tuple[Path, ...], examples: bool, output: str, headers: bool
) -> None:
    """Decide files as if they were applied.

    A FILE holds AdmissionReviews or plain manifests, in YAML or JSON. `-` is standard input; of a
    folder, every manifest is read. Objects are decided in order: an allowed object counts for the
    objects after it. Limits and ImageStreams come from the cluster that kubectl uses, or from a
    folder (--state). Nothing is written, and pushes in flight are not counted. An object that no
    policy decides on is "not checked". The exit code is 1 if any object is refused.

    \b
    Examples:
      registry-admission check limits.yaml
      registry-admission check review.json --state limits/ -o json
      kubectl kustomize . | registry-admission check -
    """
    from app.wiring import checking

    results = read_only_command.run(
        checking.check(files, settings, warn=read_only_command.warn, on_examples=examples)
    )
    if output == "table":
        _show(results, headers)
    else:
        items = [_content(result) for result in results]
        outputs.show(outputs.enveloped("CheckList", {"items": items}), output)
    if not all(result.allowed for result in results):
        raise SystemExit(ExitCode.FINDINGS)


def _content(result: "Result") -> dict[str, object]:
    return {
        "file": result.file,
        "line": result.line,
        "object": result.object,
        "allowed": result.allowed,
        "checked": result.checked,
        "message": result.message,
        "warnings": result.warnings,
    }


def _verdict(result: "Result") -> str:
    if not result.allowed:
        return "denied"
    return "allowed" if result.checked else "not checked"


def _show(results: Sequence["Result"], headers: bool) -> None:
    """A table of the verdicts, and below it the messages, unwrapped so that they can be copied."""
    rows = [(f"{result.file}:{result.line}", result.object, _verdict(result)) for result in results]
    table.show(("File", "Object", "Verdict"), rows, headers=headers)
    for result in results:
        texts = [result.message] if result.message else []
        for text in [*texts, *(f"warning: {warning}" for warning in result.warnings)]:
            click.echo(f"\n{result.file}:{result.line}: {text}")
