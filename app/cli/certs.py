"""`registry-admission certs`."""

from pathlib import Path

import click

from app.cli import flags


@click.group()
def certs() -> None:
    """Make the certificates that the API server trusts."""


@certs.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("tls"),
    help="Folder for ca.crt, ca.key, tls.crt and tls.key.  [default: tls]",
)  # fmt: skip
@flags.words(
    "--name", "names", default=("localhost", "127.0.0.1"),
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
    "--name", default="kube-apiserver", show_default=True,
    help="Common name of the certificate, for client-names.",
)  # fmt: skip
@click.option(
    "--server", default="registry-admission.registry-admission.svc", show_default=True,
    help="Host of the webhook, as API servers call it.",
)  # fmt: skip
@click.option(
    "--mounted", default="/etc/kubernetes/registry-admission", show_default=True,
    help="Absolute path of the folder on the machines of API servers.",
)  # fmt: skip
def client(out: Path, name: str, server: str, mounted: str) -> None:
    """Make a client certificate for API servers, for reviews with client-ca.

    Besides the certificate it writes admission.yaml, for the flag --admission-control-config-file
    of API servers. An existing CA is used again.
    """
    from app.certs import client as certificates

    certificates.make(out, name, server, mounted)
    click.echo(
        f"wrote client.crt, client.key, webhooks.kubeconfig and admission.yaml to {out} for API "
        "servers; ca.crt is for the service's client-ca, keep ca.key secret"
    )
