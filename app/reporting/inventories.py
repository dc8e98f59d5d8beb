"""Opens the inventory that `usage` and `audit` read."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from app.cluster import connection
from app.cluster.api import ForbiddenError, KubeApi, NotFoundError
from app.config import examples
from app.config.settings import Settings
from app.model.domain import ApiDomain
from app.model.errors import NothingNamedError, UnusableError
from app.policy.names import is_label
from app.reporting.folder_inventory import FolderInventory
from app.reporting.inventory import Inventory
from app.reporting.usage_collector import UsageCollector

_EXAMPLES = "these are the examples of this project, not a cluster"


class NoNamespaceError(UnusableError):
    """A named namespace does not exist."""


@asynccontextmanager
async def opened(
    settings: Settings,
    service_namespace: str | None,
    namespaces: Collection[str],
    *,
    labels: str = "",
    on_examples: bool = False,
    proposed: Collection[str] = (),
    ledgers: bool = True,
    times: bool = True,
    of_folder: Callable[[Path, ApiDomain, str], FolderInventory] = FolderInventory,
) -> AsyncIterator[Inventory]:
    """Open the inventory of the examples, of the folder `settings.state`, or of the cluster that
    kubectl uses.

    `on_examples`: open the examples. `namespaces`: the ones to read in a cluster; empty: all, or
    those with these `labels`. Each must exist, or be among the `proposed` ones. `ledgers` and
    `times`: whether ledgers and the times of pushes are read. `of_folder`: makes the inventory of a
    folder. Raises UnusableError.
    """
    if on_examples or settings.state is not None:
        if labels:
            raise NothingNamedError("-l needs a cluster: a folder has no labels of namespaces")
        folder = of_folder(
            examples.state_folder() if on_examples else settings.state or examples.state_folder(),
            settings.domain,
            _EXAMPLES if on_examples else "",
        )
        place = "the examples have" if on_examples else f"{settings.state} has"
        for name in namespaces:
            if name not in {*folder.namespaces(), *proposed}:
                raise NoNamespaceError(f"{place} nothing of namespace {name}")
        yield folder
        return
    async with connection.found(
        settings.kubeconfig, settings.context, otherwise=connection.FOLDER_OR_EXAMPLES
    ) as api:
        for name in namespaces:
            if name not in proposed:
                await require_namespace(api, name)
        collector = UsageCollector(
            api,
            settings.domain,
            service_namespace=service_namespace or settings.namespace,
            namespaces=namespaces,
            only=await _with_labels(api, labels) if labels else None,
            ledgers=ledgers,
            times=times,
        )
        await collector.read()
        yield collector


async def require_namespace(api: KubeApi, name: str) -> None:
    """Raises NoNamespaceError for a namespace that does not exist.

    A tenant may lack the right to get namespaces. Then the check is left out.
    """
    if not is_label(name):
        raise NoNamespaceError(f"{name!r} is not the name of a namespace")
    try:
        await api.get(f"/api/v1/namespaces/{name}")
    except NotFoundError:
        raise NoNamespaceError(f"the cluster has no namespace {name}") from None
    except ForbiddenError:
        return


async def _with_labels(api: KubeApi, labels: str) -> frozenset[str]:
    query = {"labelSelector": labels}
    found = [item["metadata"]["name"] async for item in api.items("/api/v1/namespaces", query)]
    if not found:
        raise NoNamespaceError(f"no namespace has the labels {labels}")
    return frozenset(found)
