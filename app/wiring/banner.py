"""The text that a server prints when it has started."""

import ipaddress
import logging
import shlex
from pathlib import Path

import click

from app.certs import files, trust
from app.cluster import connection
from app.config import examples

logger = logging.getLogger("registry_admission.serving")

_EXAMPLE = "push-too-large.json"


def banner(host: str, port: int, certificates: Path, *, on_examples: bool) -> str:
    """The address; on the examples of this project, a first request to try as well."""
    names = [host] if not _is_any(host) else ["localhost", "127.0.0.1"]
    missing = trust.missing_names((certificates / files.CERTIFICATE).read_bytes(), names)
    name = next((name for name in names if name not in missing), names[0])
    url = f"https://{name}:{port}"
    lines = [f"registry-admission listens on {url}"]
    if on_examples:
        lines.append(
            "It decides on the examples of this project: name a folder with --state, or a cluster "
            "with --kubeconfig"
        )
    if on_examples and name not in missing:
        authority = shlex.quote(str(certificates / files.AUTHORITY))
        lines += [
            "Try it, a push that is refused:",
            f"  curl --cacert {authority} -H 'Content-Type: application/json' \\",
            f"    --data @{shlex.quote(str(examples.payload(_EXAMPLE)))} {url}/validate",
        ]
    return "\n".join(lines)


def _is_any(host: str) -> bool:
    """Whether a listener takes connections on every address of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def announce(text: str) -> None:
    """Print the text. In a Pod, log it instead, so that all lines of the Pod's log have the same
    format."""
    if connection.is_inside():
        logger.info(text)
    else:
        click.echo(text)
