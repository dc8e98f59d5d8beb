"""Writes PolicyReports to the cluster."""

import re
from collections.abc import Sequence

import click

from app.cli.applying import apply_with_progress
from app.cli.exit_codes import ExitCode
from app.cluster import connection
from app.cluster.api import ApiError, Content, NotFoundError
from app.config.settings import Settings
from app.reporting import policy_report

_ENDED = re.compile(r'because it is being terminated|namespaces "[^"]+" not found')
"""The message of an API server about a namespace in deletion, or a deleted one."""


async def write(settings: Settings, reports: Sequence[Content]) -> None:
    """Apply PolicyReports to the cluster. Raises ApiError, also if it lacks the kind."""
    async with connection.found(settings.kubeconfig, settings.context) as api:
        try:
            await api.get(f"/apis/{policy_report.GROUP}/{policy_report.VERSION}")
        except NotFoundError as error:
            problem = (
                "the cluster has no PolicyReports (wgpolicyk8s.io/v1alpha2): install their CRD"
            )
            raise ApiError(error.status, problem) from None
        applied = await apply_with_progress(api, reports, force=True)
    # A namespace that was deleted since it was read needs no report any more.
    failed = [item for item in applied if not item.ok and not _ENDED.search(item.message)]
    for item in failed:
        click.echo(f"Failed: {item.object}: {item.message}", err=True)
    done = sum(item.ok for item in applied)
    click.echo(f"{done} of {len(applied)} PolicyReports applied.", err=True)
    if failed:
        raise SystemExit(ExitCode.FAILED)
