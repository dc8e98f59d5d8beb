"""Options of the commands that install and uninstall the service."""

import re
from pathlib import Path

import click

from app.cli import completion
from app.policy.names import is_label

SERVICE = "registry-admission"
_IMAGE = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]*", re.ASCII)


def _namespace(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_label(value):
        raise click.BadParameter(f"{value!r} is not the name of a namespace: use a-z, 0-9 and -")
    return value


def _optional_namespace(context: click.Context, parameter: click.Parameter, value: str) -> str:
    return _namespace(context, parameter, value) if value else ""


def _image(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if _IMAGE.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r} is not the name of an image")
    return value


image = click.option(
    "--image", required=True, callback=_image,
    help="Image of the service, in a registry that the nodes reach.",
)  # fmt: skip
service_namespace = click.option(
    "--service-namespace", "namespace", default=SERVICE, show_default=True,
    callback=_namespace, shell_complete=completion.namespaces, help="Namespace of the service.",
)  # fmt: skip
registry_namespace = click.option(
    "--registry-namespace", default="", callback=_optional_namespace,
    shell_complete=completion.namespaces,
    help="Namespace of the internal registry.  [default: image-registry-system, or "
    "openshift-image-registry for openshift.io]",
)  # fmt: skip
kubeconfig = click.option(
    "--kubeconfig", type=click.Path(path_type=Path),
    help="Kubeconfig of the cluster.  [default: kubectl's]",
)  # fmt: skip
context = click.option(
    "--context", shell_complete=completion.contexts, help="Context of the kubeconfig."
)
