"""`registry-admission uninstall`."""

import sys
from pathlib import Path

import click

from app.cli import cluster_options, output, read_only_command


@click.command()
@cluster_options.service_namespace
@cluster_options.registry_namespace
@click.option(
    "--delete-namespace", is_flag=True,
    help="Delete the namespace with everything in it as well.",
)  # fmt: skip
@click.option(
    "--everything", is_flag=True,
    help="Delete the namespace, and everything that the service wrote elsewhere: pull secrets with "
    "their tokens, counts in ResourceQuota status, conditions of Config/cluster.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option(
    "--dry-run", is_flag=True, help="Delete nothing; print the objects, for kubectl delete -f -."
)
@cluster_options.kubeconfig
@cluster_options.context
def uninstall(
    namespace: str,
    registry_namespace: str,
    delete_namespace: bool,
    everything: bool,
    yes: bool,
    dry_run: bool,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """Delete what `install` applied.

    The webhooks go first, so that no request waits for a service that is gone. Afterwards no
    limit is enforced. LimitRanges and ResourceQuotas stay as they are.

    \b
    Examples:
      registry-admission uninstall
      registry-admission uninstall --yes --delete-namespace
      registry-admission uninstall --yes --everything
      registry-admission uninstall --dry-run | kubectl delete --ignore-not-found -f -
    """
    from app.cluster import connection
    from app.controllers.cleanup import remove_everything_written
    from app.install import installing
    from app.model.domain import DOMAINS, ApiDomain

    delete_namespace = delete_namespace or everything
    objects = installing.leftovers(
        namespace, and_namespace=delete_namespace, registry_namespace=registry_namespace
    )
    if dry_run:
        click.echo(output.as_yaml(objects, explicit_start=True), nl=False)
        return
    if not yes:
        _ask(namespace, delete_namespace)

    async def delete() -> int:
        async with connection.found(kubeconfig, context) as api:
            deleted = await installing.delete(api, objects, click.echo)
            for domain in map(ApiDomain, DOMAINS) if everything else ():
                deleted += await remove_everything_written(api, domain, click.echo)
            return deleted

    deleted = read_only_command.run(delete())
    if not deleted:
        click.echo(f"Nothing to delete: registry-admission is not installed in {namespace}.")


def _ask(namespace: str, delete_namespace: bool) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("use --yes to delete, or --dry-run to see what would be deleted")
    what = f"the namespace {namespace} with everything in it" if delete_namespace else namespace
    click.confirm(f"Delete registry-admission from {what}? No limit is enforced then", abort=True)
