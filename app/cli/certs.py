"""`registry-admission certs`."""

from pathlib import Path

import click


@click.group()
def certs() -> None:
    """Make the certificates that the API server trusts."""


@certs.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("tls"),
    help="Folder for ca.crt, ca.key, tls.crt and tls.key.  [default: tls]",
)  # fmt: skip
@click.option(
    "--name", "names", multiple=True, default=("localhost", "127.0.0.1"),
    help="DNS name or IP address of the service; may be repeated.",
)  # fmt: skip
def make(out: Path, names: tuple[str, ...]) -> None:
    """Make a CA and a serving certificate; a CA that is there already is used again.

    \b
    Example:
      registry-admission certs make --out tls/ \\
        --name registry-admission.registry-admission.svc
    """
    from app.certs import files

    files.make(out, names)
    click.echo(f"wrote tls.crt and tls.key to {out}; its ca.crt is for clients, ca.key for nobody")
