"""Shares refusals among the replicas, so that each shows all of them.

Each replica writes a ConfigMap in the service's own namespace, which tenants cannot read. Events
would not do: they are deleted after an hour, and listing them is slow.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable
from typing import Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from app.cluster.api import ApiError, Content, NotFoundError
from app.cluster.informer import Key
from app.page.refusals import Refusal, Refusals

logger = logging.getLogger("registry_admission.refusals")

LABEL = "registry-admission/refusals"
_DATA = "refusals"
_PERIOD = 5.0
"""Seconds between two writes, however many refusals there are."""
_MAX_BYTES = 200_000
_REFUSALS = TypeAdapter(list[Refusal])


class Api(Protocol):
    """The methods of KubeApi that are used here."""

    async def create(self, path: str, content: Content) -> Content: ...

    async def replace(self, path: str, content: Content) -> Content: ...

    async def delete(self, path: str) -> None: ...


class SharedRefusals:
    """Writes the refusals of this replica when they have changed. It is also the store of the
    informer that watches the ConfigMaps of the other replicas."""

    def __init__(self, api: Api, namespace: str, identity: str, refusals: Refusals) -> None:
        self._api = api
        self._refusals = refusals
        self._name = f"refusals-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
        self._others: dict[str, list[Refusal]] = {}
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._written = refusals.changes
        refusals.follow(self._others)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD)
            try:
                await self.share()
            except ApiError as error:
                logger.warning("refusals not shared", extra={"problem": str(error)})

    async def share(self) -> None:
        """Write the refusals if they have changed, and delete old ConfigMaps. Raises ApiError."""
        changes = self._refusals.changes
        if changes != self._written:
            await self._write()
            self._written = changes
        await self._delete_old()

    async def _write(self) -> None:
        content = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name, "labels": {LABEL: "true"}},
            "data": {_DATA: encode(self._refusals.own())},
        }
        try:
            await self._api.replace(f"{self.path}/{self._name}", content)
        except NotFoundError:
            await self._api.create(self.path, content)

    async def _delete_old(self) -> None:
        """Delete the ConfigMaps whose refusals are too old to be shown."""
        lasting = self._refusals.lasting
        for name in [name for name, kept in self._others.items() if not any(map(lasting, kept))]:
            try:
                await self._api.delete(f"{self.path}/{name}")
            except NotFoundError:
                self._others.pop(name, None)

    def put(self, key: Key, content: Content) -> None:
        if key[1] == self._name:
            return
        found = decode(content)
        if found is None:
            # It may be from a replica of a newer version, so it is not deleted.
            self._others.pop(key[1], None)
        else:
            self._others[key[1]] = found

    def remove(self, key: Key) -> None:
        self._others.pop(key[1], None)

    def retain(self, keys: set[Key]) -> None:
        for name in set(self._others) - {name for _, name in keys}:
            del self._others[name]


def encode(refusals: Iterable[Refusal]) -> str:
    """JSON with as many refusals, from the first on, as fit into a ConfigMap."""
    rows, size = [], 2
    for refusal in refusals:
        row = json.dumps(to_jsonable_python(refusal), separators=(",", ":"))
        size += len(row) + 1
        if size > _MAX_BYTES:
            break
        rows.append(row)
    return f"[{','.join(rows)}]"


def decode(content: Content) -> list[Refusal] | None:
    """The refusals in a ConfigMap; None if it cannot be parsed."""
    try:
        return _REFUSALS.validate_json((content.get("data") or {}).get(_DATA, "[]"))
    except ValidationError:
        logger.warning("refusals not understood", extra={"object": content["metadata"]["name"]})
        return None
