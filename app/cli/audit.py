"""`registry-admission audit`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import click

from app.cli import audit_report, looking
from app.cli.applying import apply_with_progress
from app.cli.options import SettingsCommand
from app.cluster import connection, manifests
from app.cluster.api import ApiError, Content, NotFoundError
from app.cluster.limit_files import LimitFiles
from app.cluster.manifests import ManifestError
from app.config.settings import Settings
from app.reporting import auditing, inventories, policy_report
from app.reporting.audit import NamespaceAudit
from app.reporting.inventory import Inventory

_OVER = 1


@click.command(cls=SettingsCommand, settings=inventories.SETTINGS)
@looking.options
@click.option(
    "--proposed",
    multiple=True,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
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
    help="Print everything that is over, not only the worst.  [default: with -n]",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Choice(audit_report.FORMATS), default="table",
    help="How to print the report.  [default: table]",
)  # fmt: skip
@click.option(
    "--apply", is_flag=True, help="With -o policyreport: write the reports to the cluster."
)
def audit(
    settings: Settings,
    namespaces: tuple[str, ...],
    service_namespace: str | None,
    proposed: tuple[Path, ...],
    top: int,
    details: bool | None,
    output: str,
    apply: bool,
) -> None:
    """Show what passes its limits, and what to look at first.

    Looks at a folder (--state), or at the cluster that kubectl would take, as it would be if the
    --proposed objects were applied. Limits delete nothing, they refuse what is new: what is over
    a limit stays and cannot grow.

    The exit code is 1 if anything is over a limit, 2 if something cannot be read or written.

    \b
    Examples:
      registry-admission audit
      registry-admission convert --from-cluster | registry-admission audit --proposed -
      registry-admission audit --proposed converted/ -o html > audit.html
      registry-admission audit -o policyreport --apply
    """
    if apply and (output != "policyreport" or settings.state is not None):
        raise click.UsageError("--apply writes PolicyReports to a cluster: use -o policyreport")

    async def collect(inventory: Inventory) -> list[NamespaceAudit]:
        paths = chain.from_iterable(map(manifests.files, proposed))
        files = LimitFiles.of(chain.from_iterable(map(manifests.read, paths)), settings.domain)
        looking.show_warnings(files.warnings)
        if proposed and not files.namespaces:
            # What stands before a pipe may have failed; that must not look like a good result.
            raise ManifestError("--proposed: there is no LimitRange and no ResourceQuota in it")
        with looking.busy("Holding them against each other"):
            audits = await auditing.audit_all(
                inventory, settings.domain, namespaces=namespaces, proposed=files, top=top
            )
        looking.show_notes(inventory)
        return audits

    audits = looking.look(settings, service_namespace, namespaces, collect, ledgers=False)
    if output == "policyreport":
        now = datetime.now(UTC)
        reports = [policy_report.of(item, settings.domain, now) for item in audits]
        if apply:
            looking.run(_write(settings, reports))
        else:
            audit_report.show_objects(reports)
    else:
        chosen = bool(namespaces) if details is None else details
        audit_report.show(audits, output, details=chosen, proposed=bool(proposed))
    if any(item.over for item in audits):
        raise SystemExit(_OVER)


async def _write(settings: Settings, reports: Sequence[Content]) -> None:
    """Bring PolicyReports to the cluster. Raises ApiError, also if it has no such kind."""
    async with connection.connected(settings.kubeconfig, settings.context) as api:
        try:
            await api.get(f"/apis/{policy_report.GROUP}/{policy_report.VERSION}")
        except NotFoundError as error:
            problem = (
                "the cluster has no PolicyReports (wgpolicyk8s.io/v1alpha2): install their CRD"
            )
            raise ApiError(error.status, problem) from None
        applied = await apply_with_progress(api, reports, force=True)
    failed = [item for item in applied if not item.ok]
    for item in failed:
        click.echo(f"Failed: {item.object}: {item.message}", err=True)
    click.echo(f"{len(applied) - len(failed)} of {len(applied)} PolicyReports applied.", err=True)
    if failed:
        raise SystemExit(looking.UNREADABLE)
