"""Manifests on their way through the gateway: decided, forwarded, and counted."""

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakValueDictionary

from starlette.requests import Request

from app.gateway.blob_sizes import BlobSizes
from app.gateway.contents import Links
from app.gateway.inventory import Inventory
from app.gateway.rights import PushRights
from app.gateway.turns import SharedTurns
from app.gateway.uploads import MeteredBody, TooLargeError
from app.gateway.upstream import Answer, Upstream, UpstreamError, authorization, has_body
from app.gateway.usage_store import UsageStore
from app.quota.state import StateUnavailableError
from app.registry import manifest
from app.registry.errors import RegistryError
from app.registry.manifest import PushedManifest
from app.registry.names import Repository
from app.registry.push import ManifestCheck, PushChecks, require
from app.registry.routes import DeleteManifest, PutManifest

logger = logging.getLogger("registry_admission.gateway")


class Manifests:
    """Puts and deletes manifests at the registry."""

    def __init__(
        self,
        upstream: Upstream,
        checks: PushChecks,
        rights: PushRights,
        sizes: BlobSizes,
        store: UsageStore | None,
        *,
        idle_timeout: float,
        timeout: float,
    ) -> None:
        """`store`: None where ImageStreams say what the registry holds. `timeout`: seconds for the
        registry to take a manifest, less than a reservation lasts."""
        self._upstream = upstream
        self._checks = checks
        self._rights = rights
        self._sizes = sizes
        self._store = store
        self._idle_timeout = idle_timeout
        self._timeout = timeout
        self._turns: WeakValueDictionary[str, SharedTurns] = WeakValueDictionary()

    async def put(self, request: Request, put: PutManifest, take: Callable[[int], None]) -> Answer:
        """`take` is told how many bytes are held in memory. Raises RegistryError,
        StateUnavailableError, UpstreamError, DatabaseError, IdleError and ClientDisconnect."""
        if (refusal := await self._rights.refusal(request, put.repository)) is not None:
            return refusal
        content = await self._read(request, take)
        media_type = request.headers.get("content-type", "")
        parsed = manifest.parse(content, media_type, put.reference)
        if self._checks.allowance(put.repository) is not None:
            await self._sizes.require_truth(put.repository, parsed, authorization(request))
        if self._store is None:
            return await self._put_into_cluster(request, put, parsed)
        return await self._put_into_store(request, put, parsed, self._store)

    async def delete(self, request: Request, delete: DeleteManifest) -> Answer:
        """Raises UpstreamError and DatabaseError."""
        try:
            answer = await self._upstream.forward(request, None)
        except UpstreamError as error:
            if self._store is not None and error.maybe_done:
                self._store.inventory.doubt(delete.repository, delete.reference)
            raise
        if self._store is not None and _may_be_done(answer):
            await self._store.inventory.deleted(delete.repository, delete.reference)
        return answer

    async def _put_into_cluster(
        self, request: Request, put: PutManifest, parsed: PushedManifest
    ) -> Answer:
        """The reservation of a push that may be stored stays: it ends when the ImageStream is
        seen, or when it expires."""
        check = await self._checks.manifest(put.repository, put.reference, parsed)
        require(put.repository, check.verdict)
        keep = False
        try:
            answer = await self._forward(request, parsed.content)
            keep = _may_be_done(answer)
        except UpstreamError as error:
            keep = error.maybe_done
            raise
        finally:
            if not keep:
                await self._give_back(put.repository, check)
        return answer

    async def _put_into_store(
        self, request: Request, put: PutManifest, parsed: PushedManifest, store: UsageStore
    ) -> Answer:
        await store.reader.prepare(put.repository)
        links = Links(frozenset(parsed.children), parsed.subject)
        inventory = store.inventory
        about = (put.repository, parsed.digest, links)
        turns = self._turns.setdefault(put.repository.namespace, SharedTurns())
        async with turns.shared():
            brought = inventory.brought(*about)
            check = await self._checks.manifest(put.repository, put.reference, parsed, brought)
            if check.verdict.allowed:
                return await self._forward_and_count(request, put, parsed, links, check, inventory)
        if not inventory.freed(*about, put.reference.tag):
            require(put.repository, check.verdict)
        # The tag moves on from an image that nothing else reaches. That image makes room for this
        # push, as long as no other push in the namespace comes to rely on it meanwhile.
        async with turns.alone(self._timeout):
            brought = inventory.brought(*about)
            freed = inventory.freed(*about, put.reference.tag)
            check = await self._checks.manifest(
                put.repository, put.reference, parsed, brought, freed
            )
            require(put.repository, check.verdict)
            return await self._forward_and_count(request, put, parsed, links, check, inventory)

    async def _forward_and_count(
        self,
        request: Request,
        put: PutManifest,
        parsed: PushedManifest,
        links: Links,
        check: ManifestCheck,
        inventory: Inventory,
    ) -> Answer:
        """Forward, and count what came of it before the reservation ends."""
        try:
            intent = await inventory.begin(put.repository, put.reference, parsed.digest, links)
            try:
                answer = await self._forward(request, parsed.content)
            except UpstreamError as error:
                if error.maybe_done:
                    await inventory.unknown(intent)
                else:
                    await inventory.not_stored(intent)
                raise
            if not _may_be_done(answer):
                await inventory.not_stored(intent)
            elif answer.status < 300:
                await inventory.stored(intent)
            else:
                await inventory.unknown(intent)
        finally:
            await self._give_back(put.repository, check)
        return answer

    async def _give_back(self, repository: Repository, check: ManifestCheck) -> None:
        try:
            await self._checks.cancel(repository, check.reservation)
        except StateUnavailableError as error:
            logger.warning("reservation left to expire", extra={"problem": str(error)})

    async def _forward(self, request: Request, content: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._upstream.forward(request, content)
        except TimeoutError:
            message = f"no answer in {self._timeout:g} s"
            raise UpstreamError(message, maybe_done=True) from None

    async def _read(self, request: Request, take: Callable[[int], None]) -> bytes:
        content = bytearray()
        if not has_body(request):
            return b""
        body = MeteredBody(
            request, start=0, allowance=manifest.MAX_BYTES, idle_timeout=self._idle_timeout
        )
        try:
            async for chunk in body:
                take(len(chunk))
                content += chunk
        except TooLargeError:
            message = f"the manifest has more than {manifest.MAX_BYTES} bytes"
            raise RegistryError("SIZE_INVALID", message) from None
        return bytes(content)


def _may_be_done(answer: Answer) -> bool:
    """A proxy before the registry may answer for it with a 5xx of its own."""
    return answer.status < 300 or answer.status >= 500
