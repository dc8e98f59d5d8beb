"""`registry-admission uninstall`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli import cluster_options, output, read_only_command

if TYPE_CHECKING:
    from app.cluster.api import KubeApi

_ALSO = """\
# --everything also deletes, where the service wrote them in the cluster:
# - pull secrets with their tokens, and their entries in ServiceAccounts, in all namespaces
# - counts of the registry's names in the status of ResourceQuotas, in all namespaces
# - conditions of Config/cluster
"""


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
    "--dry-run", is_flag=True,
    help="Delete nothing and read no cluster; print the objects for kubectl delete -f -.",
)  # fmt: skip
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
        if everything:
            click.echo(_ALSO, nl=False)
        return
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("use --yes to delete, or --dry-run to print the objects to delete")

    def confirmed(api: "KubeApi") -> bool:
        if yes:
            return True
        cluster = f"{connection.context_name(kubeconfig, context)} ({api.url})"
        return click.confirm(_question(namespace, cluster, delete_namespace, everything))

    async def delete() -> int | None:
        async with connection.found(kubeconfig, context) as api:
            if not confirmed(api):
                return None
            deleted = await installing.delete(api, objects, click.echo)
            for domain in map(ApiDomain, DOMAINS) if everything else ():
                deleted += await remove_everything_written(api, domain, click.echo)
            return deleted

    deleted = read_only_command.run(delete())
    if deleted is None:
        click.echo("Nothing was deleted.")
    elif not deleted:
        click.echo(f"Nothing to delete: registry-admission is not installed in {namespace}.")
    elif not delete_namespace:
        click.echo(
            f"Namespace {namespace} is kept, with certificate and ledgers; --delete-namespace "
            "deletes it"
        )


def _question(namespace: str, cluster: str, delete_namespace: bool, everything: bool) -> str:
    objects = "the service and all other objects" if delete_namespace else "the service"
    sentences = [f"Remove {objects} from namespace {namespace} of {cluster}?"]
    if delete_namespace:
        sentences.append("The namespace itself is deleted as well.")
    if everything:
        sentences.append(
            "Its pull secrets in all namespaces, its counts in ResourceQuota status and its "
            "conditions of Config/cluster are deleted as well."
        )
    return " ".join([*sentences, "Its limits will not be enforced."])
