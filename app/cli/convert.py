"""`registry-admission convert`."""

from pathlib import Path
from typing import Any

import click

from app.cli import completion, flags, read_only_command
from app.cli import output as outputs
from app.cli.options import SettingsCommand
from app.config.settings import Settings
from app.model.mode import MODES
from app.policy.names import is_label, is_subdomain

_COUNT = click.IntRange(min=0)


def _config_map(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    namespace, _, name = (value or "").partition("/")
    if value is not None and not (is_label(namespace) and is_subdomain(name)):
        raise click.BadParameter(f"{value!r} is not of the form NAMESPACE/NAME")
    return value


@click.command(
    cls=SettingsCommand,
    settings=("kubeconfig", "context", "api_domain", "namespace", "registry_namespace"),
)
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(allow_dash=True, path_type=Path),
)
@click.option("--from-cluster", is_flag=True, help="Read the ConfigMap from the cluster.")
@click.option(
    "--config-map",
    metavar="NAMESPACE/NAME",
    callback=_config_map,
    help="The gateway's ConfigMap, if there are several.",
)
@flags.words(
    "--namespaces",
    complete=completion.namespaces,
    check=flags.cluster_namespaces,
    text="Namespaces to convert for.  [default: the cluster's where one is used, else those "
    "that a rule names as a whole]",
)
@click.option(
    "--namespaces-file",
    type=click.File(encoding="utf-8-sig"),
    help="File with the namespaces to convert for, one a line, as `kubectl get ns -o name` prints "
    "them or without `namespace/`; - is stdin.",
)
@click.option(
    "--size-unit",
    type=click.Choice(["binary", "decimal"]),
    default="binary",
    help="What one GB of the gateway is: binary 1Gi, decimal 1G.  [default: binary]",
)
@click.option(
    "--flat",
    is_flag=True,
    help="Assume that every repository is NAMESPACE/NAME, without a further /.",
)
@click.option(
    "--streams-per-namespace",
    type=_COUNT,
    help="Write a ResourceQuota with this limit on ImageStreams.",
)
@click.option(
    "--images-per-namespace", type=_COUNT, help="Write a ResourceQuota with this limit on images."
)
@click.option(
    "--tags-per-namespace", type=_COUNT, help="Write a ResourceQuota with this limit on tags."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for one file per namespace, and _template.yaml.  [default: everything on stdout]",
)
@click.option(
    "--dry-run",
    type=click.Choice(["server"]),
    help="Send the objects to the API server as a dry run.",
)
@click.option(
    "--apply", is_flag=True,
    help="Apply the objects to the cluster; none if the API server refuses any of them.",
)  # fmt: skip
@click.option(
    "--force-conflicts",
    is_flag=True,
    help="With --apply: overwrite fields that other managers have changed.",
)
@flags.words("--exclude", metavar="PATTERNS", text="Leave out namespaces such as test-*,demo-*.")
@click.option(
    "--template", is_flag=True,
    help="Write the default limits as the template for new namespaces as well.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(MODES),
    help="Write the limits with this mode: enforce, warn or audit.",
)  # fmt: skip
@outputs.option(
    "table", *outputs.DATA,
    text="How to print the report, which goes to stderr; the manifests on stdout are YAML.",
)  # fmt: skip
@outputs.no_headers
def convert_command(settings: Settings, **options: Any) -> None:
    """Convert the limits of the legacy gateway.

    Writes a LimitRange for each namespace. A FILE, or a folder of files, holds the gateway's
    ConfigMap; - is stdin. Each namespace gets the limits that all of its repositories have. If
    rules give its repositories different limits, it gets the least strict ones, and the report
    lists the changes. The gateway has no limits for a whole namespace: a ResourceQuota is only
    written with counts from options. kube-*, default, and the namespaces of the registry and of
    the service only get limits if --namespaces names them.

    The exit code is 1 if a limit is approximated, or if an object would be refused.

    \b
    Examples:
      registry-admission convert gateway.yaml --namespaces team-a,team-b
      kubectl get cm -n cpaas-system -o yaml | registry-admission convert - --out limits/
      registry-admission convert --from-cluster --dry-run=server
      registry-admission convert --from-cluster --apply --tags-per-namespace 2000
    """
    if options["files"] and options["from_cluster"]:
        raise click.UsageError("use only one of FILE and --from-cluster")
    if not options["files"] and not options["from_cluster"]:
        raise click.UsageError("name a FILE with the ConfigMap, or use --from-cluster")
    from app.cli import conversion

    given = conversion.Options(
        settings.domain,
        settings.kubeconfig,
        settings.context,
        own_namespaces=(settings.namespace, settings.registry_namespace),
        **options,
    )
    raise SystemExit(read_only_command.run(conversion.run(given)))
