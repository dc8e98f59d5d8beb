"""The gateway: a registry's `/v2/` with limits.

Requests and answers pass through unchanged. A blob is held against `max.storage` while its
bytes pass, a manifest against everything before it is forwarded.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from app.gateway.blob_sizes import BlobSizes
from app.gateway.blobs import BlobUploads
from app.gateway.database import DatabaseError, Intent
from app.gateway.relay import SlowClientError, patient, refuse, relay
from app.gateway.rights import PushRights
from app.gateway.uploads import PROGRESS, IdleError, MeteredBody, Room, TooLargeError
from app.gateway.upstream import Answer, Upstream, UpstreamError, authorization, has_body
from app.model.manifest import MAX_BYTES
from app.policy.image_limits import UnknownSize
from app.quota.state import StateUnavailableError
from app.registry import manifest
from app.registry.errors import RegistryError, unavailable
from app.registry.names import Reference, Repository
from app.registry.push import ManifestCheck, PushChecks, require
from app.registry.routes import (
    ContinueUpload,
    DeleteManifest,
    PutManifest,
    StartUpload,
    route,
)

logger = logging.getLogger("registry_admission.gateway")

_RETRY_AFTER = 5
_MANIFESTS_IN_MEMORY = 64 * 2**20
"""Bytes."""


class Books(Protocol):
    """Keeps the sets of a registry that has no ImageStreams."""

    async def begin(self, repository: Repository, reference: Reference, digest: str) -> Intent: ...

    async def stored(self, intent: Intent) -> None: ...

    async def not_stored(self, intent: Intent) -> None: ...

    async def unknown(self, intent: Intent) -> None: ...

    async def deleted(self, repository: Repository, reference: Reference) -> None: ...


class Gateway:
    """An ASGI application for `/v2/`."""

    def __init__(
        self,
        upstream: Upstream,
        checks: PushChecks,
        books: Books | None,
        *,
        unknown_size: UnknownSize,
        max_uploads: int,
        idle_timeout: float,
        manifest_timeout: float,
    ) -> None:
        """`books` is None where the Image API keeps the sets, and other gateways may share them.

        `manifest_timeout`: seconds for the registry to take a manifest, less than a reservation
        lasts.
        """
        self._upstream = upstream
        self._checks = checks
        self._books = books
        self._idle_timeout = idle_timeout
        self._manifest_timeout = manifest_timeout
        self._rights = PushRights(upstream)
        self._sizes = BlobSizes(upstream, unknown_size)
        self._room = Room(_MANIFESTS_IN_MEMORY)
        self._blobs = BlobUploads(
            upstream,
            checks,
            self._rights,
            self._sizes,
            alone=books is not None,
            max_uploads=max_uploads,
            idle_timeout=idle_timeout,
        )
        self.slots = self._blobs.slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = patient(send, self._idle_timeout)
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except RegistryError as error:
            await refuse(error, receive, send)
        except StateUnavailableError as error:
            await refuse(unavailable(error), receive, send)
        except UpstreamError as error:
            logger.warning("registry does not answer", extra={"problem": str(error)})
            message = f"the registry behind this gateway does not answer: {error}; try again"
            refusal = RegistryError("UNAVAILABLE", message, retry_after=_RETRY_AFTER)
            await refuse(refusal, receive, send)
        except DatabaseError as error:
            logger.error("push not written", extra={"problem": str(error)})
            message = "the gateway cannot write down what it counts, its log says why; try later"
            await refuse(
                RegistryError("UNAVAILABLE", message, retry_after=_RETRY_AFTER), receive, send
            )
        except IdleError:
            message = f"less than {PROGRESS} bytes came in {self._idle_timeout:g} s; send it again"
            await refuse(RegistryError("BLOB_UPLOAD_INVALID", message), receive, send)
        except ClientDisconnect:
            pass
        else:
            try:
                await relay(answer, scope, receive, send)
            except (UpstreamError, SlowClientError) as error:
                logger.warning("answer broken off", extra={"problem": repr(error)})

    async def _answer(self, request: Request) -> Answer:
        raw_path, query = request.scope["raw_path"].decode("latin-1"), request.url.query
        match route(request.method, raw_path, query):
            case StartUpload() as start:
                return await self._blobs.start(request, start)
            case ContinueUpload() as upload:
                return await self._blobs.go_on(request, upload)
            case PutManifest() as put:
                with self._room.shared() as take:
                    return await self._put_manifest(request, put, take)
            case DeleteManifest() as delete:
                answer = await self._upstream.forward(request, None)
                if self._books is not None:
                    await self._books.deleted(delete.repository, delete.reference)
                return answer
            case _:
                return await self._upstream.forward(request, self._body(request, None))

    async def _put_manifest(
        self, request: Request, put: PutManifest, take: Callable[[int], None]
    ) -> Answer:
        if (refusal := await self._rights.refusal(request, put.repository)) is not None:
            return refusal
        content = await self._read_manifest(request, take)
        media_type = request.headers.get("content-type", "")
        parsed = manifest.parse(content, media_type, put.reference)
        if self._checks.allowance(put.repository) is not None:
            await self._sizes.require_truth(put.repository, parsed, authorization(request))
        check = await self._checks.manifest(put.repository, put.reference, parsed)
        require(put.repository, check.verdict)
        # The books show at once what is stored or may be, an ImageStream only when it is seen: what
        # may come to be one keeps its place until then, or until it can be none any more.
        keep = self._books is None
        try:
            answer = await self._forward_manifest(request, put, check, content)
            keep = keep and _may_be_stored(answer)
        except UpstreamError as error:
            keep = keep and error.maybe_done
            raise
        finally:
            if not keep:
                await self._give_back(put.repository, check)
        return answer

    async def _give_back(self, repository: Repository, check: ManifestCheck) -> None:
        try:
            await self._checks.cancel(repository, check.reservation)
        except StateUnavailableError as error:
            logger.warning("reservation left to expire", extra={"problem": str(error)})

    async def _forward_manifest(
        self, request: Request, put: PutManifest, check: ManifestCheck, content: bytes
    ) -> Answer:
        """Forward, and have the books keep what came of it, before the reservation may go."""
        if self._books is None:
            return await self._forward_in_time(request, content)
        intent = await self._books.begin(put.repository, put.reference, check.digest)
        try:
            answer = await self._forward_in_time(request, content)
        except UpstreamError as error:
            if error.maybe_done:
                await self._books.unknown(intent)
            else:
                await self._books.not_stored(intent)
            raise
        if not _may_be_stored(answer):
            await self._books.not_stored(intent)
        elif answer.status < 300:
            await self._books.stored(intent)
        else:
            await self._books.unknown(intent)
        return answer

    async def _forward_in_time(self, request: Request, content: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._manifest_timeout):
                return await self._upstream.forward(request, content)
        except TimeoutError:
            message = f"no answer in {self._manifest_timeout:g} s"
            raise UpstreamError(message, maybe_done=True) from None

    async def _read_manifest(self, request: Request, take: Callable[[int], None]) -> bytes:
        content = bytearray()
        body = self._body(request, MAX_BYTES)
        try:
            if body is not None:
                async for chunk in body:
                    take(len(chunk))
                    content += chunk
        except TooLargeError:
            message = f"the manifest has more than {MAX_BYTES} bytes"
            raise RegistryError("SIZE_INVALID", message) from None
        return bytes(content)

    def _body(self, request: Request, allowance: int | None) -> MeteredBody | None:
        if not has_body(request):
            return None
        return MeteredBody(request, start=0, allowance=allowance, idle_timeout=self._idle_timeout)


def _may_be_stored(answer: Answer) -> bool:
    """A proxy before the registry may answer for it with a 5xx of its own."""
    return answer.status < 300 or answer.status >= 500
