"""Checks manifests, forwards them, and counts the outcome."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from starlette.requests import Request

from app.gateway.blob_sizes import BlobSizes
from app.gateway.contents import Links
from app.gateway.inventory import Inventory
from app.gateway.rights import PushRights
from app.gateway.transport import UpstreamError
from app.gateway.turns import SharedTurns
from app.gateway.uploads import MeteredBody
from app.gateway.upstream import Answer, Upstream, authorization, has_body, header
from app.gateway.usage_store import UsageStore
from app.model.manifest import MAX_BYTES, Manifest
from app.policy.verdict import Verdict
from app.quota.members import NONE, Members
from app.quota.state import StateUnavailableError
from app.registry import warnings
from app.registry.errors import RegistryError
from app.registry.manifest import parse
from app.registry.names import Reference, Repository
from app.registry.push import ManifestCheck, PushChecks
from app.registry.routes import DeleteManifest, PutManifest

logger = logging.getLogger("registry_admission.gateway")


@dataclass(frozen=True)
class _Push:
    """A manifest that a client wants to store."""

    request: Request
    repository: Repository
    reference: Reference
    content: bytes
    manifest: Manifest

    @property
    def links(self) -> Links:
        return Links(frozenset(self.manifest.listed), self.manifest.subject)

    def freed(self, inventory: Inventory) -> Members:
        """The images that no longer count once the manifest is stored."""
        return inventory.freed(
            self.repository, self.manifest.digest, self.links, self.reference.tag
        )


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
        """`store`: None if ImageStreams show the registry's contents. `timeout`: seconds for the
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
        """`take` is called with the number of bytes that are held in memory. Raises RegistryError,
        StateUnavailableError, UpstreamError, DatabaseError, IdleError and ClientDisconnect."""
        if (refusal := await self._rights.refusal(request, put.repository)) is not None:
            return refusal
        content = await self._read(request, take)
        parsed = parse(content, header(request, b"content-type"), put.reference)
        if self._checks.allowance(put.repository) is not None:
            await self._sizes.verify_declared_sizes(put.repository, parsed, authorization(request))
        push = _Push(request, put.repository, put.reference, content, parsed)
        if self._store is None:
            return await self._put_into_cluster(push)
        return await self._put_into_store(push, self._store)

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

    async def _put_into_cluster(self, push: _Push) -> Answer:
        """With ImageStreams, usage lags. The reservation of a push that may be stored stays until
        the ImageStream is seen or the reservation expires."""
        check = await self._checks.manifest(push.repository, push.reference, push.manifest)
        self._checks.require(push.repository, check.verdict)
        keep = False
        try:
            answer = await self._forward(push)
            keep = _may_be_done(answer)
        except UpstreamError as error:
            keep = error.maybe_done
            raise
        finally:
            if not keep:
                await self._give_back(push, check)
        return _with_warnings(answer, check.verdict)

    async def _put_into_store(self, push: _Push, store: UsageStore) -> Answer:
        await store.reader.prepare(push.repository)
        inventory = store.inventory
        turns = self._turns.setdefault(push.repository.namespace, SharedTurns())
        async with turns.shared():
            check = await self._check(push, inventory, NONE)
            if check.verdict.allowed:
                return await self._forward_and_count(push, check, inventory)
        if not push.freed(inventory):
            self._checks.require(push.repository, check.verdict)
        # The tag moves away from an image that nothing else reaches: the push may take its place.
        # Another push to the namespace could tag that image meanwhile, so this one runs alone.
        async with turns.alone(self._timeout):
            check = await self._check(push, inventory, push.freed(inventory))
            self._checks.require(push.repository, check.verdict)
            return await self._forward_and_count(push, check, inventory)

    async def _check(self, push: _Push, inventory: Inventory, frees: Members) -> ManifestCheck:
        brings = inventory.brought(push.repository, push.manifest.digest, push.links)
        manifest = push.manifest.with_images({digest for _, digest in brings.images})
        return await self._checks.manifest(push.repository, push.reference, manifest, brings, frees)

    async def _forward_and_count(
        self, push: _Push, check: ManifestCheck, inventory: Inventory
    ) -> Answer:
        """Forward the manifest, and count the outcome before the reservation ends."""
        try:
            intent = await inventory.begin(
                push.repository, push.reference, push.manifest.digest, push.links
            )
            try:
                answer = await self._forward(push)
            except UpstreamError as error:
                if error.maybe_done:
                    inventory.unknown(intent)
                else:
                    inventory.not_stored(intent)
                raise
            except BaseException:
                inventory.unknown(intent)
                raise
            if not _may_be_done(answer):
                inventory.not_stored(intent)
            elif answer.status < 300:
                inventory.stored(intent)
            else:
                inventory.unknown(intent)
        finally:
            await self._give_back(push, check)
        return _with_warnings(answer, check.verdict)

    async def _give_back(self, push: _Push, check: ManifestCheck) -> None:
        try:
            await self._checks.cancel(push.repository, check.reservation)
        except StateUnavailableError as error:
            logger.warning("reservation left to expire", extra={"problem": str(error)})

    async def _forward(self, push: _Push) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._upstream.forward(push.request, push.content)
        except TimeoutError:
            message = f"no answer in {self._timeout:g} s"
            raise UpstreamError(message, maybe_done=True) from None

    async def _read(self, request: Request, take: Callable[[int], None]) -> bytes:
        content = bytearray()
        if not has_body(request):
            return b""
        body = MeteredBody(request, start=0, allowance=MAX_BYTES, idle_timeout=self._idle_timeout)
        async for chunk in body:
            take(len(chunk))
            content += chunk
        if body.is_too_large:
            message = f"the manifest has more than {MAX_BYTES} bytes"
            raise RegistryError("SIZE_INVALID", message)
        return bytes(content)


def _with_warnings(answer: Answer, verdict: Verdict) -> Answer:
    """The registry's answer, and the violations of limits that are not enforced."""
    added = warnings.headers(verdict)
    return replace(answer, headers=[*answer.headers, *added]) if added else answer


def _may_be_done(answer: Answer) -> bool:
    """Whether the registry may have acted. A proxy before it may answer 5xx in its place."""
    return answer.status < 300 or answer.status >= 500
