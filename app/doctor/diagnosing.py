"""`registry-admission doctor`: read a cluster or a folder, ask the registry, run the checks."""

import shlex
from collections.abc import Iterable

from app.cluster import connection
from app.config.settings import Settings
from app.doctor import checks, snapshots
from app.doctor.blobs import Examined
from app.doctor.finding import Diagnosis
from app.doctor.installation import with_manifests
from app.doctor.presence import examine
from app.doctor.resources import resources
from app.doctor.snapshot import NotReadError, Snapshot
from app.doctor.snapshots import SnapshotOptions
from app.model.core import Secret
from app.model.domain import ApiDomain
from app.registry.connection import open_registry
from app.reporting.inventories import require_namespace

_NOT_ASKED = (
    "the registry was not asked: name it with --registry-url, and if need be with "
    "--registry-auth and --registry-ca"
)


async def diagnose(
    settings: Settings, *, service_namespace: str | None, namespaces: Iterable[str], samples: int
) -> Diagnosis:
    """Diagnose the folder that `state` names, else the cluster.

    `samples` is the number of images that the registry is asked about.

    Raises NothingToLookAtError, NoClusterError, NoNamespaceError and ManifestError for a cluster
    or folder, CredentialsError for an unusable docker config, and CertificateError for an unusable
    CA file.
    """
    options = SnapshotOptions(
        settings.domain,
        settings.registry_namespace,
        service_namespace,
        frozenset(namespaces),
        frozenset({*settings.internal_hosts, (settings.registry_url or "").partition("://")[2]}),
        samples,
        settings.ca_namespace,
    )
    async with open_registry(settings) as registry:
        snapshot = await _snapshot(settings, options)
        examined: list[Examined] | str = _NOT_ASKED
        if registry:
            try:
                examined = await examine(registry[1], snapshot.images().samples)
            except NotReadError as error:
                examined = str(error)
    return checks.diagnose(with_manifests(snapshot), examined)


def dump_commands(domain: ApiDomain, folder: str) -> list[str]:
    """The shell commands that write a cluster's objects into a folder for `--state`."""
    return [
        f"mkdir -p {shlex.quote(folder)}",
        *(
            f"kubectl get {item.full_name} -A -o yaml > "
            + shlex.quote(f"{folder}/{item.full_name}.yaml")
            for item in resources(domain)
            if item.model is not Secret
        ),
        "# Secrets are left out: they hold credentials. Only the checks of Secrets need them.",
    ]


async def _snapshot(settings: Settings, options: SnapshotOptions) -> Snapshot:
    if settings.state is not None:
        return snapshots.of_folder(settings.state, options)
    async with connection.found(
        settings.kubeconfig, settings.context, otherwise=connection.FOLDER
    ) as api:
        for name in options.namespaces:
            await require_namespace(api, name)
        return await snapshots.of_cluster(api, options)
