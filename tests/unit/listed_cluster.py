"""An API server that lists objects in pages. Lists can be forbidden or too old."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.cluster import connection
from app.cluster.api import (
    ApiError,
    Content,
    ForbiddenError,
    GoneError,
    KubeApi,
    NotFoundError,
    Query,
)


def find(cluster: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find this cluster, however it is named."""

    @asynccontextmanager
    async def found(
        kubeconfig: Path | None, context: str | None, **_flags: str
    ) -> AsyncIterator[KubeApi]:
        yield cluster

    monkeypatch.setattr(connection, "found", found)


class ListedCluster(KubeApi):
    """Objects by the path of their list."""

    def __init__(self, lists: dict[str, list[dict[str, Any]]]) -> None:
        self.lists = lists
        self.asked: Counter[str] = Counter()
        self.forbidden: set[str] = set()
        self.forgotten: set[str] = set()
        """Lists whose second page is too old the first time."""
        self.broken: set[str] = set()
        """Objects that cannot be decoded, by path. A list with one of them fails as well."""

    async def get(self, path: str, query: Query | None = None) -> Content:
        self.asked[path] += 1
        parent, _, name = path.rpartition("/")
        if path in self.forbidden or parent in self.forbidden:
            raise ForbiddenError(403, f"GET {path}: forbidden")
        if path in self.broken or any(one.startswith(f"{path}/") for one in self.broken):
            raise ApiError(500, f"GET {path}: cannot be decoded")
        if path in self.lists:
            return self._page(path, query or {})
        for item in self.lists.get(parent, []):
            if item["metadata"]["name"] == name:
                return item
        raise NotFoundError(404, f"GET {path}: not found")

    def _page(self, path: str, query: Query) -> Content:
        start, limit = int(query.get("continue", 0)), int(query["limit"])
        if start and path in self.forgotten:
            self.forgotten.remove(path)
            raise GoneError(410, "too old")
        items, metadata = self.lists[path], {"resourceVersion": "7"}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        return {"metadata": metadata, "items": items[start : start + limit]}
