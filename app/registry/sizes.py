"""Sizes of images that an admission request only names, asked of the registry by digest."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping

from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.errors import RegistryError
from app.registry.names import parse_digest, parse_repository

logger = logging.getLogger("registry_admission.registry")

_CAPACITY = 50_000


class RegistrySizes:
    """Asks the registries on the allow-list and no other; a size once known is kept.

    Many who wait for one digest cost one request.
    """

    def __init__(self, registries: Mapping[str, RegistryClient], capacity: int = _CAPACITY) -> None:
        """`registries`: the clients of every host that may be asked, by `host[:port]`."""
        self._registries = registries
        self._capacity = capacity
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._asked: dict[tuple[str, str, str], asyncio.Task[int | None]] = {}

    async def size(self, host: str, repository: str, digest: str) -> int | None:
        """Bytes of the distinct layers and the config; None if nobody who may be asked knows."""
        if digest in self._sizes:
            self._sizes.move_to_end(digest)
            return self._sizes[digest]
        client = self._registries.get(host)
        if client is None or not _is_spelled(repository, digest):
            return None
        key = (host, repository, digest)
        task = self._asked.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(client, repository, digest))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, client: RegistryClient, repository: str, digest: str) -> int | None:
        try:
            stored = await client.manifest(repository, digest)
        except RegistryUnavailableError as error:
            logger.warning("size not known", extra={"digest": digest, "problem": str(error)})
            return None
        if stored is None:
            return None
        self._sizes[digest] = stored.size
        if len(self._sizes) > self._capacity:
            self._sizes.popitem(last=False)
        return stored.size


def _is_spelled(repository: str, digest: str) -> bool:
    """Names come from tenants: only what the spec allows becomes part of an address."""
    try:
        parse_repository(repository)
        parse_digest(digest)
    except RegistryError:
        return False
    return True
