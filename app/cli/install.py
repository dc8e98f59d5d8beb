"""`registry-admission install` and `uninstall`."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
import yaml
from kubernetes_asyncio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from app.certs.files import CertificateError
from app.cluster import connection
from app.cluster.api import ApiError, KubeApi
from app.cluster.connection import NoClusterError
from app.config.setting_types import CONTROLLERS
from app.install import installing
from app.install.installing import NAME
from app.install.kustomization import Manifest
from app.policy.names import is_label

Work = Callable[[KubeApi, list[Manifest], Callable[[str], None]], Coroutine[Any, Any, None]]


def _namespace(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_label(value):
        raise click.BadParameter(f"{value!r} is no name of a namespace: use a-z, 0-9 and -")
    return value


def _optional_namespace(context: click.Context, parameter: click.Parameter, value: str) -> str:
    return _namespace(context, parameter, value) if value else ""


_NAMESPACE = click.option(
    "--namespace", default=NAME, show_default=True, callback=_namespace,
    help="Namespace of the service.",
)  # fmt: skip
_REGISTRY_NAMESPACE = click.option(
    "--registry-namespace", default="", callback=_optional_namespace,
    help="Namespace of the internal registry.  [default: image-registry-system, or "
    "openshift-image-registry for openshift.io]",
)  # fmt: skip
_KUBECONFIG = click.option(
    "--kubeconfig", type=click.Path(path_type=Path), default=KUBE_CONFIG_DEFAULT_LOCATION,
    help="Kubeconfig of the cluster, with --apply.  [default: kubectl's]",
)  # fmt: skip
_CONTEXT = click.option("--context", help="Context of the kubeconfig, with --apply.")


@click.command()
@click.option(
    "--image", required=True, help="Image of the service, in a registry that the nodes reach."
)
@_NAMESPACE
@_REGISTRY_NAMESPACE
@click.option(
    "--replicas", type=click.IntRange(min=1), default=3, show_default=True,
    help="Replicas of the service.",
)  # fmt: skip
@click.option(
    "--api-domain", type=click.Choice(["alauda.io", "openshift.io"]), default="alauda.io",
    show_default=True, help="Domain of the registry's API groups and resource names.",
)  # fmt: skip
@click.option(
    "--tls-dir", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a certificate to use: tls.crt, tls.key and ca.crt. "
    "Without it, the service makes its own and renews it.",
)  # fmt: skip
@click.option(
    "--controllers", type=click.Choice(CONTROLLERS), multiple=True,
    help="Opt-in controller to install with its rights; may be given again.",
)  # fmt: skip
@click.option("--print/--apply", "only_print", default=True, help="Print manifests, or apply them.")
@_KUBECONFIG
@_CONTEXT
def install(
    image: str,
    namespace: str,
    registry_namespace: str,
    replicas: int,
    api_domain: str,
    tls_dir: Path | None,
    controllers: tuple[str, ...],
    only_print: bool,
    kubeconfig: Path,
    context: str | None,
) -> None:
    """Print or apply the manifests of the service, for clusters without kustomize.

    \b
    Examples:
      registry-admission install --image HOST/registry-admission:TAG | kubectl apply -f -
      registry-admission install --image HOST/registry-admission:TAG --apply
    """
    try:
        certificate = installing.read_certificate(tls_dir, namespace) if tls_dir else None
    except CertificateError as error:
        raise click.ClickException(str(error)) from None
    manifests = installing.manifests(
        namespace=namespace,
        image=image,
        replicas=replicas,
        api_domain=api_domain,
        registry_namespace=registry_namespace,
        certificate=certificate,
        controllers=controllers,
    )
    if only_print:
        _print(manifests)
    else:
        _in_cluster(installing.apply, manifests, kubeconfig, context)
        click.echo(f"See it start: kubectl -n {namespace} rollout status deployment/{NAME}")


@click.command()
@_NAMESPACE
@_REGISTRY_NAMESPACE
@click.option("--delete-namespace", is_flag=True, help="Delete the namespace with all in it, too.")
@click.option("--print/--apply", "only_print", default=True, help="Print what goes, or delete it.")
@_KUBECONFIG
@_CONTEXT
def uninstall(
    namespace: str,
    registry_namespace: str,
    delete_namespace: bool,
    only_print: bool,
    kubeconfig: Path,
    context: str | None,
) -> None:
    """Print or delete what `install` applied, the webhooks first.

    \b
    Examples:
      registry-admission uninstall | kubectl delete --ignore-not-found -f -
      registry-admission uninstall --apply --delete-namespace
    """
    manifests = installing.leftovers(
        namespace, and_namespace=delete_namespace, registry_namespace=registry_namespace
    )
    if only_print:
        _print(manifests)
    else:
        _in_cluster(installing.delete, manifests, kubeconfig, context)


def _print(manifests: list[Manifest]) -> None:
    click.echo(yaml.safe_dump_all(manifests, sort_keys=False), nl=False)


def _in_cluster(
    work: Work, manifests: list[Manifest], kubeconfig: Path, context: str | None
) -> None:
    try:
        asyncio.run(_connected(work, manifests, kubeconfig, context))
    except (ApiError, NoClusterError) as error:
        raise click.ClickException(str(error)) from None


async def _connected(
    work: Work, manifests: list[Manifest], kubeconfig: Path, context: str | None
) -> None:
    async with connection.connected(kubeconfig, context) as api:
        await work(api, manifests, click.echo)
