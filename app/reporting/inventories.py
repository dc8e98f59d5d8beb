"""Opens the inventory that `usage` and `audit` read."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from app.cluster import connection
from app.config import examples
from app.config.settings import Settings
from app.reporting.folder_inventory import FolderInventory
from app.reporting.inventory import Inventory
from app.reporting.usage_collector import UsageCollector

SETTINGS = ("state", "kubeconfig", "context", "api_domain")
"""What the commands that look somewhere can be told of it."""

_EXAMPLES = "these are examples: name a cluster with --kubeconfig, or a folder with --state"


@asynccontextmanager
async def opened(
    settings: Settings,
    service_namespace: str | None,
    namespaces: Collection[str],
    *,
    ledgers: bool = True,
) -> AsyncIterator[Inventory]:
    """The folder that `state` names; else the cluster that is named, that is around us, or that
    kubectl would take; else the examples.

    Of a cluster, only the namespaces given are read, or all, and ledgers if wanted. Raises
    ManifestError, NoClusterError and ApiError.
    """
    named = settings.kubeconfig is not None or settings.context is not None
    if settings.state is not None:
        yield FolderInventory(settings.state, settings.domain)
        return
    if not (named or connection.has_default()):
        yield FolderInventory(examples.state_folder(), settings.domain, _EXAMPLES)
        return
    async with connection.connected(settings.kubeconfig, settings.context) as api:
        collector = UsageCollector(
            api,
            settings.domain,
            service_namespace=service_namespace or settings.namespace,
            namespaces=namespaces,
            ledgers=ledgers,
        )
        await collector.read()
        yield collector
