"""`registry-admission`: the commands. Each is imported when it is called."""

import sys
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from app.cli import streams
from app.cli.program import Lazy, Program
from app.config.garbage import collect_rarely
from app.version import VERSION

PROGRAM = "registry-admission"
_COMPLETE = "_REGISTRY_ADMISSION_COMPLETE"
_PLUGIN = "kubectl-registry_limits"

COMMANDS = {
    "audit": Lazy("app.cli.audit:audit", "Show what is over its limits."),
    "certs": Lazy("app.cli.certs:certs", "Make the certificates that the API server trusts."),
    "check": Lazy("app.cli.check:check", "Decide files as if they were applied."),
    "convert": Lazy("app.cli.convert:convert_command", "Convert the limits of the legacy gateway."),
    "doctor": Lazy("app.cli.doctor:doctor", "Find out what is wrong with the registry."),
    "gateway": Lazy("app.cli.gateway:gateway", "Check pushes to any OCI registry, as a proxy."),
    "install": Lazy("app.cli.install:install", "Print or apply the manifests of the service."),
    "serve": Lazy("app.cli.serve:serve", "Serve admission reviews over HTTPS."),
    "uninstall": Lazy("app.cli.uninstall:uninstall", "Delete what `install` applied."),
    "usage": Lazy("app.cli.usage:usage", "Show how full namespaces and ImageStreams are."),
}


@click.group(
    cls=Program, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 findings, 2 wrong usage, 3 failure, 130 Ctrl-C, 141 closed "
    "pipe.",
)  # fmt: skip
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
    click.echo(completion_class(main, {}, PROGRAM, _COMPLETE).source())


def start() -> None:
    """The entry point of the console scripts."""
    collect_rarely()
    streams.stop_at_once()
    streams.require_output()
    plugin = Path(sys.argv[0]).name == _PLUGIN
    main(
        prog_name="kubectl registry-limits" if plugin else PROGRAM,
        complete_var=_COMPLETE,
    )


def complete_for_kubectl() -> None:
    """Complete `kubectl registry-limits` for kubectl: print one value a line, then a directive.

    With directive 4 the shell offers no files, with 0 it may.
    """
    from app.cli.completion import values

    found, files = values(main, sys.argv[1:])
    click.echo("\n".join([*found, ":0" if files else ":4"]))
