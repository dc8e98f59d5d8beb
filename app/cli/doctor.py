"""`registry-admission doctor`."""

import asyncio

import click

from app.cli import doctor_report
from app.cli.options import SettingsCommand
from app.cluster.connection import NoClusterError
from app.cluster.manifests import ManifestError
from app.config.settings import Settings
from app.doctor import diagnosing
from app.doctor.finding import Severity
from app.doctor.snapshots import NothingToLookAtError
from app.registry.credentials import CredentialsError

_SETTINGS = (
    "state",
    "kubeconfig",
    "context",
    "api_domain",
    "registry_namespace",
    "registry_hosts",
    "registry_url",
    "registry_auth",
    "registry_ca",
)
_FAILURES = (NothingToLookAtError, NoClusterError, ManifestError, CredentialsError, OSError)
_LEVELS: dict[str, Severity] = {"error": "error", "warning": "warning"}


@click.command(cls=SettingsCommand, settings=_SETTINGS)
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    help="Only the limits and images of this namespace; may be repeated.",
)
@click.option(
    "--service-namespace",
    help="Namespace of this service.  [default: the one that its webhooks call]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=20,
    help="With --registry-url: how many images to ask it for.  [default: 20]",
)
@click.option(
    "--fail-on", type=click.Choice(list(_LEVELS)), default="error",
    help="From which severity on the exit code is 1.  [default: error]",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Choice(doctor_report.FORMATS), default="table",
    help="How to print the findings.  [default: table]",
)  # fmt: skip
@click.option(
    "--dump-commands",
    metavar="FOLDER",
    help="Only print the kubectl commands that fill a folder for --state.",
)
def doctor(
    settings: Settings,
    namespaces: tuple[str, ...],
    service_namespace: str | None,
    samples: int,
    fail_on: str,
    output: str,
    dump_commands: str | None,
) -> None:
    """Find out what is wrong with the registry's storage, limits and webhooks.

    Looks at kubectl's cluster, at the one around it, or with --state at a folder of what kubectl
    printed. It only reads. What it may not read is listed as not checked. Every finding says
    what to run next; nothing of that deletes anything.

    The exit code is 0 if nothing is wrong, 1 if something is, and 2 if it could not look.

    \b
    Examples:
      registry-admission doctor
      registry-admission doctor --registry-url https://registry.example.com --registry-ca ca.crt
      registry-admission doctor -n team-a --fail-on warning -o json
      registry-admission doctor --dump-commands dump/ | sh; registry-admission doctor --state dump/
    """
    if dump_commands is not None:
        click.echo("\n".join(diagnosing.dump_commands(settings.domain, dump_commands.rstrip("/"))))
        return
    try:
        diagnosis = asyncio.run(
            diagnosing.diagnose(
                settings,
                service_namespace=service_namespace,
                namespaces=namespaces,
                samples=samples,
            )
        )
    except _FAILURES as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    doctor_report.show(diagnosis, output)
    if diagnosis.reaches(_LEVELS[fail_on]):
        raise SystemExit(1)
