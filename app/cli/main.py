"""`registry-admission`: the commands."""

import click
from click.shell_completion import get_completion_class

from app.cli.audit import audit
from app.cli.certs import certs
from app.cli.check import check
from app.cli.convert import convert_command
from app.cli.doctor import doctor
from app.cli.gateway import gateway
from app.cli.install import install, uninstall
from app.cli.serve import serve
from app.cli.usage import usage
from app.version import VERSION

PROGRAM = "registry-admission"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
def main() -> None:
    """Keep a Kubernetes cluster's image registry inside its limits.

    \b
    Examples:
      registry-admission serve                      try it: examples, self-made certificate
      registry-admission serve --state limits/      decide on a folder of manifests
      registry-admission check stream.yaml --state limits/
      registry-admission gateway --upstream http://localhost:5000 --state limits/
      registry-admission usage                      show how full everything is
      registry-admission audit                      what is over a limit, and by how much
      registry-admission doctor                     what is wrong with the cluster's registry
      registry-admission convert gateway.yaml --namespaces team-a,team-b
      registry-admission certs make --out tls/ --name webhook.example.svc
    """


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"{PROGRAM} {VERSION}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      source <(registry-admission completion bash)
    """
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.ClickException(f"no completion for {shell}")
    click.echo(completion_class(main, {}, PROGRAM, "_REGISTRY_ADMISSION_COMPLETE").source())


main.add_command(serve)
main.add_command(check)
main.add_command(convert_command, "convert")
main.add_command(certs)
main.add_command(gateway)
main.add_command(install)
main.add_command(uninstall)
main.add_command(usage)
main.add_command(audit)
main.add_command(doctor)
