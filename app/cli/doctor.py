"""`registry-admission doctor`."""

import click

from app.cli import completion, flags, read_only_command
from app.cli import output as outputs
from app.cli.exit_codes import ExitCode
from app.cli.options import SettingsCommand
from app.config.settings import Settings

_SETTINGS = (
    "state",
    "kubeconfig",
    "context",
    "api_domain",
    "registry_namespace",
    "trusted_ca_namespace",
    "registry_hosts",
    "registry_url",
    "registry_auth",
    "registry_ca",
)
_LEVELS = ("error", "warning")


@click.command(cls=SettingsCommand, settings=_SETTINGS)
@flags.words(
    "-n", "--namespace", "namespaces", complete=completion.namespaces, check=flags.namespaces,
    text="Only the limits and images of these namespaces.",
)  # fmt: skip
@click.option(
    "--service-namespace",
    metavar=flags.NAMESPACE,
    callback=flags.optional_namespace,
    help="Namespace of the service.  [default: the namespace that its webhooks call]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=20,
    help="With --registry-url: number of images to look for in the registry.  [default: 20]",
)
@click.option(
    "--fail-on", type=click.Choice(_LEVELS), default="error",
    help="The lowest severity for which the exit code is 1.  [default: error]",
)  # fmt: skip
@outputs.option("table", "name", *outputs.DATA)
@outputs.no_headers
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
    headers: bool,
    dump_commands: str | None,
) -> None:
    """Find out what is wrong with the registry.

    Checks the storage, limits and webhooks of the cluster that kubectl uses, or of a folder with
    the output of kubectl (--state). It only reads. A check that needs objects which the user may
    not read is listed as not checked. Every finding names commands to run next; none of them
    deletes anything.

    The exit code is 1 if there is an error, and 3 if nothing could be read.

    \b
    Examples:
      registry-admission doctor
      registry-admission doctor --registry-url https://registry.example.com --registry-ca ca.crt
      registry-admission doctor -n team-a --fail-on warning -o json
      registry-admission doctor --dump-commands dump/ | sh; registry-admission doctor --state dump/
    """
    from app.cli import doctor_report
    from app.doctor import diagnosing

    if dump_commands is not None:
        click.echo("\n".join(diagnosing.dump_commands(settings.domain, dump_commands.rstrip("/"))))
        return
    diagnosis = read_only_command.run(
        diagnosing.diagnose(
            settings,
            service_namespace=service_namespace,
            namespaces=namespaces,
            samples=samples,
        )
    )
    doctor_report.show(diagnosis, output, headers=headers)
    if not diagnosis.read:
        raise SystemExit(ExitCode.FAILED)
    if diagnosis.reaches("warning" if fail_on == "warning" else "error"):
        raise SystemExit(ExitCode.FINDINGS)
