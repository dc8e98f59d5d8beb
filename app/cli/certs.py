"""`registry-admission certs`."""

from pathlib import Path

import click

from app.cli import flags
from app.policy.names import host_of, is_address

_COMMON_NAME = 64
"""Characters of a common name at most (RFC 5280)."""


def _names(
    _context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    for name in names:
        if not is_address(name.removeprefix("*.")):
            raise click.BadParameter(
                f"{name!r} is neither a DNS name nor an IP address; write it without scheme and "
                "port, and an international name in its xn-- form"
            )
    return names


def _common_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not 1 <= len(value) <= _COMMON_NAME or not value.isprintable():
        raise click.BadParameter(f"a common name has 1 to {_COMMON_NAME} characters")
    return value


def _server(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if host_of(value) is None:
        raise click.BadParameter(f"{value!r} is not host[:port]")
    return value


def _absolute(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.startswith("/"):
        raise click.BadParameter(f"{value!r} is not an absolute path")
    return value


@click.group()
def certs() -> None:
    """Make the certificates that the API server trusts."""


@certs.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("tls"),
    help="Folder for ca.crt, ca.key, tls.crt and tls.key.  [default: tls]",
)  # fmt: skip
@flags.words(
    "--name", "names", default=("localhost", "127.0.0.1"), check=_names,
    text="DNS names or IP addresses of the service.  [default: localhost,127.0.0.1]",
)  # fmt: skip
def make(out: Path, names: tuple[str, ...]) -> None:
    """Make a CA and a serving certificate. An existing CA is used again.

    \b
    Example:
      registry-admission certs make --out tls/ \\
        --name registry-admission.registry-admission.svc
    """
    from app.certs import files

    files.make(out, names)
    click.echo(f"wrote tls.crt and tls.key to {out}; give ca.crt to clients, keep ca.key secret")


@certs.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("client"),
    help="Folder for the files.  [default: client]",
)  # fmt: skip
@click.option(
    "--name", default="kube-apiserver", show_default=True, callback=_common_name,
    help="Common name of the certificate, for client-names.",
)  # fmt: skip
@click.option(
    "--server", default="registry-admission.registry-admission.svc", show_default=True,
    callback=_server,
    help="Host of the webhook, as API servers call it.",
)  # fmt: skip
@click.option(
    "--mounted", default="/etc/kubernetes/registry-admission", show_default=True,
    callback=_absolute,
    help="Absolute path of the folder on the machines of API servers.",
)  # fmt: skip
def client(out: Path, name: str, server: str, mounted: str) -> None:
    """Make a client certificate for API servers.

    A service with the setting client-ca accepts reviews only from clients with such a certificate.
    The command also writes admission.yaml, for the flag --admission-control-config-file of API
    servers. An existing CA is used again.
    """
    from app.certs import client as certificates

    certificates.make(out, name, server, mounted)
    click.echo(
        f"wrote client.crt, client.key, webhooks.kubeconfig and admission.yaml to {out} for API "
        "servers; ca.crt is for the service's client-ca, keep ca.key secret"
    )
