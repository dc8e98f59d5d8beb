"""Reports on a plain registry: limits of a folder, and the counts in a gateway's database."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

from app.cluster.file_changes import file_changes
from app.gateway.database import read_contents
from app.gateway.repository_usage import RepositoryUsage
from app.model.domain import ApiDomain
from app.quota.usage import NamespaceUsage, UsageIndex
from app.reporting.folder_inventory import FolderInventory


class DatabaseInventory(FolderInventory):
    """The counts in a gateway's database. The reservations are unknown: they are in its process."""

    def __init__(self, database: Path, folder: Path, domain: ApiDomain, note: str = "") -> None:
        """Raises ManifestError and DatabaseError."""
        super().__init__(folder, domain, note)
        self._database = database
        self._usage = _usage(database)

    def namespaces(self) -> list[str]:
        return sorted({*super().limited_namespaces(), *self._usage})

    def usage(self, namespace: str) -> NamespaceUsage:
        return self._usage[namespace]

    async def changes(self) -> AsyncGenerator[None, None]:
        async for _ in file_changes(self._watched, self._database.parent):
            self.reload()
            self._usage = _usage(self._database)
            yield


def _usage(database: Path) -> UsageIndex:
    index, now = UsageIndex(), time.time()
    for repository, contents in read_contents(database).items():
        contents.settle(now)
        index.put(repository.namespace, repository.stream, RepositoryUsage(contents))
    return index
