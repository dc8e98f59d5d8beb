"""The gateway: a registry's `/v2/` with limits.

Requests and answers pass through unchanged. A blob is checked against `max.storage` while its bytes
pass. A manifest is checked against every limit before it is forwarded.
"""

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from app.gateway.blob_sizes import BlobSizes
from app.gateway.blobs import BlobUploads
from app.gateway.database import DatabaseError
from app.gateway.manifests import Manifests
from app.gateway.relay import Inbox, SlowClientError, refuse, relay
from app.gateway.rights import PushRights
from app.gateway.traffic import Traffic
from app.gateway.transport import UpstreamError
from app.gateway.uploads import PROGRESS, IdleError, MeteredBody, Room
from app.gateway.upstream import Answer, Upstream, has_body
from app.gateway.usage_store import UsageStore
from app.policy.choices import UnknownSize
from app.quota.state import StateUnavailableError
from app.registry.errors import RegistryError, unavailable
from app.registry.push import PushChecks
from app.registry.routes import (
    ContinueUpload,
    DeleteManifest,
    PutManifest,
    StartUpload,
    route,
)

logger = logging.getLogger("registry_admission.gateway")

_REFUSED = (RegistryError, StateUnavailableError, UpstreamError, DatabaseError, IdleError)
_RETRY_AFTER = 5
_IN_MEMORY = 64 * 2**20
"""Bytes of manifests, and of answers to HTTP/1.0 clients."""


class Gateway:
    """An ASGI application for `/v2/`."""

    def __init__(
        self,
        upstream: Upstream,
        checks: PushChecks,
        store: UsageStore | None,
        *,
        unknown_size: UnknownSize,
        max_uploads: int,
        upload_wait: float,
        idle_timeout: float,
        manifest_timeout: float,
        traffic: Traffic | None = None,
    ) -> None:
        """`store` is None if usage comes from ImageStreams, which several gateways share.

        `manifest_timeout`: seconds for the registry to take a manifest, less than a reservation
        lasts. `traffic` counts the requests in flight.
        """
        self._upstream = upstream
        self._idle_timeout = idle_timeout
        self._traffic = traffic or Traffic()
        rights = PushRights(upstream)
        sizes = BlobSizes(upstream, unknown_size)
        self._room = Room(_IN_MEMORY)
        self._manifests = Manifests(
            upstream, checks, rights, sizes, store, idle_timeout=idle_timeout,
            timeout=manifest_timeout,
        )  # fmt: skip
        self._blobs = BlobUploads(
            upstream,
            checks,
            rights,
            sizes,
            alone=store is not None,
            max_uploads=max_uploads,
            upload_wait=upload_wait,
            idle_timeout=idle_timeout,
        )
        self.slots = self._blobs.slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._traffic.request():
            inbox = Inbox(receive)
            try:
                try:
                    answer = await self._answer(Request(scope, inbox))
                except _REFUSED as error:
                    await refuse(self._refusal(error), inbox, send, self._idle_timeout)
                else:
                    with self._room.shared(_address(scope)) as take:
                        await relay(answer, scope, inbox, send, self._idle_timeout, take)
            except ClientDisconnect:
                pass
            except (UpstreamError, SlowClientError, RegistryError) as error:
                logger.warning("answer broken off", extra={"problem": repr(error)})

    def _refusal(self, error: Exception) -> RegistryError:
        match error:
            case RegistryError():
                return error
            case StateUnavailableError():
                return unavailable(error)
            case UpstreamError():
                logger.warning("registry does not answer", extra={"problem": str(error)})
                message = "the registry behind this gateway does not answer; try again"
                return RegistryError("UNAVAILABLE", message, retry_after=_RETRY_AFTER)
            case DatabaseError():
                logger.error("push not written", extra={"problem": str(error)})
                message = (
                    "the gateway cannot write down what it counts, its log says why; try later"
                )
                return RegistryError("UNAVAILABLE", message, retry_after=_RETRY_AFTER)
            case _:
                seconds = f"{self._idle_timeout:g} s"
                message = f"less than {PROGRESS} bytes came in {seconds}; send it again"
                return RegistryError("BLOB_UPLOAD_INVALID", message)

    async def _answer(self, request: Request) -> Answer:
        path = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        if await self._upstream.is_token_service(path):
            return await self._upstream.forward(request, self._body(request))
        match route(request.method, path, query):
            case StartUpload() as start:
                return await self._blobs.start(request, start)
            case ContinueUpload() as upload:
                return await self._blobs.go_on(request, upload)
            case PutManifest() as put:
                with self._room.shared(put.repository.namespace) as take:
                    return await self._manifests.put(request, put, take)
            case DeleteManifest() as delete:
                return await self._manifests.delete(request, delete)
            case _:
                return await self._upstream.forward(request, self._body(request))

    def _body(self, request: Request) -> MeteredBody | None:
        if not has_body(request):
            return None
        return MeteredBody(request, start=0, allowance=None, idle_timeout=self._idle_timeout)


def _address(scope: Scope) -> str:
    """The address of the client, which owns the answers that are held in memory for it."""
    client = scope.get("client")
    return client[0] if client else ""
