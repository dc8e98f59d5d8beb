"""Blob uploads, which are checked against `max.storage` while their bytes pass."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from urllib.parse import parse_qs
from weakref import WeakValueDictionary

from cachetools import LRUCache
from starlette.requests import Request

from app.gateway.addresses import is_sealed
from app.gateway.blob_sizes import BlobSizes, SizeUnknownError
from app.gateway.cancel import cancel
from app.gateway.rights import PushRights
from app.gateway.slots import Slots
from app.gateway.uploads import MeteredBody
from app.gateway.upstream import Answer, Upstream, authorization, has_body, header
from app.registry.errors import RegistryError
from app.registry.names import Repository, is_digest
from app.registry.push import PushChecks
from app.registry.routes import ContinueUpload, StartUpload, upload_of

_SESSIONS = 20_000
_SMALL = 2**17
"""Bytes of a body that is read whole, because sending it chunk by chunk takes twice the CPU."""


@dataclass(frozen=True)
class _Session:
    """An upload in progress."""

    total: int
    """Bytes so far."""
    counted: bool
    """Whether all of them passed through this process, one request after another."""


class BlobUploads:
    """Starts, continues and ends upload sessions at the registry."""

    def __init__(
        self,
        upstream: Upstream,
        checks: PushChecks,
        rights: PushRights,
        sizes: BlobSizes,
        *,
        alone: bool,
        max_uploads: int,
        upload_wait: float,
        idle_timeout: float,
    ) -> None:
        """`alone`: no other gateway forwards parts of the same uploads."""
        self._alone = alone
        self._upstream = upstream
        self._checks = checks
        self._rights = rights
        self._sizes = sizes
        self._idle_timeout = idle_timeout
        self._sessions: LRUCache[str, _Session] = LRUCache(_SESSIONS)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.slots = Slots(max_uploads, upload_wait, "uploads are running (max-uploads)")

    async def start(self, request: Request, start: StartUpload) -> Answer:
        """Raises RegistryError, StateUnavailableError, UpstreamError, and what reading the body
        raises; so does `go_on`."""
        if start.mount or has_body(request):
            if (refusal := await self._rights.refusal(request, start.repository)) is not None:
                return refusal
            size = await self._mounted_size(request, start)
            self._checks.require(
                start.repository, self._checks.blob(start.repository, 0, size).verdict
            )
        nothing = _Session(0, counted=self._alone)
        if has_body(request):
            answer = await self._pass(request, start.repository, "", nothing)
        else:
            answer = await self._upstream.forward(request, None)
            self._note(request, answer, start.repository, "", nothing)
        if answer.status in (201, 202):
            self._rights.learn(request, start.repository)
        return answer

    async def go_on(self, request: Request, upload: ContinueUpload) -> Answer:
        """Continue an upload session, or finish it.

        Requests on one session take turns: a registry may take several at once, and then the size
        of the blob is unknown.
        """
        async with self._turns.setdefault(upload.session, asyncio.Lock()):
            if has_body(request):
                return await self._continue(request, upload)
            answer = await self._upstream.forward(request, None)
            known = self._sessions.get(upload.session) if self._alone else None
            self._note(request, answer, upload.repository, upload.session, known)
            return answer

    async def _continue(self, request: Request, upload: ContinueUpload) -> Answer:
        if (refusal := await self._rights.refusal(request, upload.repository)) is not None:
            return refusal
        session = await self._session(request, upload.session)
        return await self._pass(request, upload.repository, upload.session, session)

    async def _session(self, request: Request, name: str) -> _Session:
        """The upload session as this process knows it, or as the registry describes it."""
        known = self._sessions.get(name)
        if known is not None and self._alone:
            return known
        return _Session(await self._uploaded(request), counted=False)

    async def _pass(
        self, request: Request, repository: Repository, name: str, session: _Session
    ) -> Answer:
        """Forward a part of a blob."""
        declared = header(request, b"content-length")
        async with self.slots.one(repository.namespace):
            size = session.total + int(declared) if declared.isdecimal() else None
            left = await self._require_or_give_up(
                request, repository, session.total, size, _address(request)
            )
            allowance = None if left is None else session.total + left
            body = MeteredBody(
                request, start=session.total, allowance=allowance, idle_timeout=self._idle_timeout
            )
            self._sessions.pop(name, None)
            if size is not None and size - session.total <= _SMALL:
                content = await body.whole()
                answer = await self._upstream.forward(request, content)
                self._learn(request, answer, repository, content)
            else:
                answer = await self._upstream.forward(request, body)
            if body.is_too_large:
                await answer.close()
                session_now = answer.path if answer.status == 202 else _address(request)
                await self._require_or_give_up(request, repository, body.total, None, session_now)
                raise RegistryError("SIZE_INVALID", "the limit has changed; try again")
            self._note(request, answer, repository, name, replace(session, total=body.total))
            return answer

    def _learn(
        self, request: Request, answer: Answer, repository: Repository, content: bytes
    ) -> None:
        """Remember the size of a blob that came in a single request."""
        if answer.status == 201 and (digest := _finished(request)):
            kind, _, value = digest.partition(":")
            if is_digest(digest) and hashlib.new(kind, content).hexdigest() == value:
                self._sizes.learn(repository, digest, len(content))

    def _note(
        self,
        request: Request,
        answer: Answer,
        repository: Repository,
        name: str,
        session: _Session | None,
    ) -> None:
        """Remember the size of an upload session, or of the blob that it became."""
        self._sessions.pop(name, None)
        if session is None:
            return
        if answer.status == 201 and session.counted and (digest := _finished(request)):
            self._sizes.count(repository, digest, session.total)
        if answer.status == 202 and (following := upload_of(answer.path.partition("?")[0])):
            # Under another name, requests on one session would not take turns.
            same = following.session == name or not (name or is_sealed(following.session))
            counted = session.counted and same
            self._sessions[following.session] = replace(session, counted=counted)

    async def _mounted_size(self, request: Request, start: StartUpload) -> int | None:
        """Bytes of a blob to be mounted; None if unknown. The check of the manifest follows."""
        if not (start.mount and start.mount_from):
            return None
        try:
            return await self._sizes.ask(
                start.mount_from,
                start.mount,
                authorization(request),
                namespace=start.repository.namespace,
            )
        except SizeUnknownError:
            return None

    async def _uploaded(self, request: Request) -> int:
        """Bytes of an upload session that another gateway or an earlier process began."""
        answer = await self._upstream.send("GET", _address(request), authorization(request))
        await answer.close()
        last = answer.header("range").partition("-")[2]
        return int(last) + 1 if answer.status < 300 and last.isdecimal() and int(last) else 0

    async def _require_or_give_up(
        self, request: Request, repository: Repository, uploaded: int, size: int | None, path: str
    ) -> int | None:
        """Refuse an upload that is or becomes too large, and cancel its session. Returns how many
        bytes may still come; None without a limit.

        `path`: path and query of the session, or of the repository's uploads if there is none yet.
        """
        check = self._checks.blob(repository, uploaded, size)
        if not check.verdict.allowed and upload_of(path.partition("?")[0]):
            await cancel(self._upstream, path, authorization(request))
        self._checks.require(repository, check.verdict)
        return check.remaining


def _finished(request: Request) -> str:
    """The digest of the blob that a request finishes; empty if it names several. The answer to a
    mount is 201 as well, but the client did not send its blob."""
    query = request.scope["query_string"].decode("latin-1")
    parameters = parse_qs(query, keep_blank_values=True)
    digests = parameters.get("digest", [])
    return digests[0] if len(digests) == 1 and "mount" not in parameters else ""


def _address(request: Request) -> str:
    """Path and query, as the client knows them."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")
