"""Options of the commands that install and uninstall the service."""

from pathlib import Path

import click

from app.cli import completion, flags
from app.policy.names import is_image

SERVICE = "registry-admission"


def _image(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_image(value):
        raise click.BadParameter(
            f"{value!r} is not the name of an image, [HOST[:PORT]/]PATH[:TAG][@DIGEST]"
        )
    return value


image = click.option(
    "--image", required=True, callback=_image,
    help="Image of the service, in a registry that the nodes reach.",
)  # fmt: skip
service_namespace = click.option(
    "--service-namespace", "namespace", metavar=flags.NAMESPACE, default=SERVICE,
    show_default=True,
    callback=flags.namespace, shell_complete=completion.namespaces,
    help="Namespace of the service.",
)  # fmt: skip
registry_namespace = click.option(
    "--registry-namespace", metavar=flags.NAMESPACE, default="", callback=flags.optional_namespace,
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
