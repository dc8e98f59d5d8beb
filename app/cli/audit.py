"""`registry-admission audit`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli import output as outputs
from app.cli import read_only_command, stored_report
from app.cli.exit_codes import ExitCode
from app.cli.options import SettingsCommand
from app.cli.read_only_command import Selection
from app.config.settings import Settings

if TYPE_CHECKING:
    from app.reporting.audit import NamespaceAudit
    from app.reporting.inventory import Inventory


@click.command(
    cls=SettingsCommand, settings=("state", "kubeconfig", "context", "api_domain", "cluster_name")
)
@read_only_command.options
@click.option(
    "--proposed",
    multiple=True,
    type=click.Path(allow_dash=True, path_type=Path),
    help="File or folder of LimitRanges and ResourceQuotas to try, - is stdin; may be repeated.",
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=5,
    help="How many images and tags to list for each namespace.  [default: 5]",
)
@click.option(
    "--details/--no-details", default=None,
    help="Print everything that is over a limit, not only the worst.  "
    "[default: only of namespaces that are named]",
)  # fmt: skip
@stored_report.option
@outputs.option("table", "wide", "name", *outputs.DATA, "html", "policyreport")
@outputs.no_headers
@click.option(
    "--fail-on", type=click.Choice(["over", "never"]), default="over",
    help="When the exit code is 1: if anything is over a limit, or never.  [default: over]",
)  # fmt: skip
@click.option(
    "--apply", is_flag=True, help="With -o policyreport: write the reports to the cluster."
)
def audit(
    settings: Settings,
    selection: Selection,
    proposed: tuple[Path, ...],
    top: int,
    details: bool | None,
    with_bytes: bool,
    output: str,
    headers: bool,
    fail_on: str,
    apply: bool,
) -> None:
    """Show what is over its limits.

    Reads the cluster that kubectl uses, or a folder (--state), and counts --proposed objects as if
    they were applied. Limits delete nothing: an object over a limit stays, and pushes that add to
    it are refused. The exit code is 1 if anything is over a limit.

    \b
    Examples:
      registry-admission audit
      registry-admission convert --from-cluster | registry-admission audit --proposed -
      registry-admission audit --proposed converted/ -o html > audit.html
      registry-admission audit -o policyreport --apply
    """
    from app.cli import audit_report
    from app.reporting import auditing, policy_report

    if apply and (selection.examples or settings.state):
        raise click.UsageError("--apply needs a cluster: use neither --state nor --examples")
    if apply and output != "policyreport":
        raise click.UsageError("--apply writes PolicyReports to a cluster: use -o policyreport")
    limits = auditing.proposed_limits(proposed, settings.domain)
    for problem in limits.warnings:
        read_only_command.warn(problem)

    async def collect(inventory: "Inventory") -> list["NamespaceAudit"]:
        with read_only_command.busy("Comparing use and limits"):
            audits = await auditing.audit_all(
                inventory,
                settings.domain,
                namespaces=selection.namespaces,
                proposed=limits,
                top=top,
                with_bytes=with_bytes,
            )
        read_only_command.show_notes(inventory)
        return audits

    audits = read_only_command.look(
        settings, selection, collect, proposed=limits.namespaces, ledgers=False
    )
    if output == "policyreport":
        reports = [policy_report.of(item, settings.domain, datetime.now(UTC)) for item in audits]
        if apply:
            from app.cli import policy_reports

            read_only_command.run(policy_reports.write(settings, reports))
        else:
            audit_report.show_objects(reports)
    else:
        chosen = selection.named if details is None else details
        audit_report.show(
            audits,
            output,
            details=chosen,
            proposed=bool(proposed),
            headers=headers,
            cluster=settings.cluster_name or settings.context or "",
        )
    if fail_on == "over" and any(item.over for item in audits):
        raise SystemExit(ExitCode.FINDINGS)
