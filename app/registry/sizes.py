"""Reads images from the registry by digest, for requests that only name them."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from app.admission.image_lookups import SizeUnknownError
from app.model.image import ImageClaim
from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.errors import RegistryError
from app.registry.names import parse_digest, parse_repository

logger = logging.getLogger("registry_admission.registry")

_CAPACITY = 50_000
_AT_ONCE = 32
_MISSING = 3.0
"""Seconds until a missing image is asked for again."""


class RegistryImages:
    """Reads images from the registries on the allow-list, and caches them by digest.

    Concurrent callers for one digest share one request.
    """

    def __init__(
        self,
        registries: Mapping[str, RegistryClient],
        capacity: int = _CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`registries`: the client of each allowed host, by `host[:port]`."""
        self._registries = registries
        self._capacity = capacity
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._known: OrderedDict[str, ImageClaim] = OrderedDict()
        self._missing: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._asked: dict[tuple[str, str, str], asyncio.Task[ImageClaim | None]] = {}

    async def of(self, host: str, repository: str, digest: str) -> ImageClaim | None:
        """The image; None if the registry lacks it or the host is not allowed.

        Raises SizeUnknownError if the registry does not answer or the manifest cannot be read.
        """
        if digest in self._known:
            self._known.move_to_end(digest)
            return self._known[digest]
        client = self._registries.get(host)
        if client is None or not _is_spelled(repository, digest):
            return None
        key = (host, repository, digest)
        if self._missing.get(key, 0.0) > self._clock():
            return None
        task = self._asked.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(client, key))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, client: RegistryClient, key: tuple[str, str, str]) -> ImageClaim | None:
        _, repository, digest = key
        try:
            async with self._turns:
                stored = await client.manifest(repository, digest)
        except RegistryUnavailableError as error:
            logger.warning("size not known", extra={"digest": digest, "problem": str(error)})
            raise SizeUnknownError(str(error)) from None
        if stored is None:
            self._missing[key] = self._clock() + _MISSING
            self._trim(self._missing)
            return None
        claim = self._known[digest] = ImageClaim.of_manifest(stored)
        self._trim(self._known)
        return claim

    def _trim(self, kept: OrderedDict[Any, Any]) -> None:
        if len(kept) > self._capacity:
            kept.popitem(last=False)


def _is_spelled(repository: str, digest: str) -> bool:
    """Tenants choose the names: only names of the OCI spec become part of a URL."""
    try:
        parse_repository(repository)
        parse_digest(digest)
    except RegistryError:
        return False
    return True
