"""Blob uploads through the gateway: held against `max.storage` while their bytes pass."""

import asyncio
from contextlib import suppress

from starlette.requests import Request

from app.gateway.blob_sizes import BlobSizes, SizeUnknownError
from app.gateway.rights import PushRights
from app.gateway.uploads import MeteredBody, Sessions, Slots, TooLargeError
from app.gateway.upstream import Answer, Upstream, UpstreamError, authorization, has_body
from app.registry.errors import RegistryError
from app.registry.names import Repository
from app.registry.push import PushChecks, require
from app.registry.routes import ContinueUpload, StartUpload, session_of

_GIVE_UP_TIMEOUT = 5.0
"""Seconds."""


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
        idle_timeout: float,
    ) -> None:
        """`alone`: no other gateway takes part in the uploads of this one."""
        self._alone = alone
        self._upstream = upstream
        self._checks = checks
        self._rights = rights
        self._sizes = sizes
        self._idle_timeout = idle_timeout
        self._sessions = Sessions()
        self.slots = Slots(max_uploads)

    async def start(self, request: Request, start: StartUpload) -> Answer:
        if start.mount or has_body(request):
            if (refusal := await self._rights.refusal(request, start.repository)) is not None:
                return refusal
            size = await self._mounted_size(request, start)
            require(start.repository, self._checks.blob(start.repository, 0, size).verdict)
        if has_body(request):
            answer = await self._pass(request, start.repository, 0, "")
        else:
            answer = self._note(request, await self._upstream.forward(request, None), "", 0)
        if answer.status in (201, 202):
            self._rights.learn(request, start.repository)
        return answer

    async def go_on(self, request: Request, upload: ContinueUpload) -> Answer:
        known = self._sessions.total(upload.session) if self._alone else None
        if not has_body(request):
            answer = await self._upstream.forward(request, None)
            return self._note(request, answer, upload.session, known)
        if (refusal := await self._rights.refusal(request, upload.repository)) is not None:
            return refusal
        start = await self._uploaded(request) if known is None else known
        return await self._pass(request, upload.repository, start, upload.session)

    async def _pass(
        self, request: Request, repository: Repository, start: int, session: str
    ) -> Answer:
        """Forward a part of a blob; `start` bytes of its session were there before."""
        declared = request.headers.get("content-length", "")
        with self.slots.one():
            size = start + int(declared) if declared.isdecimal() else None
            await self._require_or_give_up(request, repository, start, size)
            body = self._body(request, start, self._checks.allowance(repository))
            try:
                answer = await self._upstream.forward(request, body)
            except TooLargeError as error:
                await self._require_or_give_up(request, repository, error.size, None)
                raise RegistryError("SIZE_INVALID", "the limit has changed; try again") from None
            except BaseException:
                self._sessions.forget(session)
                raise
            return self._note(request, answer, session, body.total)

    def _note(self, request: Request, answer: Answer, session: str, total: int | None) -> Answer:
        """Remember how large a session is, or the blob that it has become, if that is known."""
        self._sessions.forget(session)
        if answer.status == 201 and total is not None:
            self._sizes.learn(request.query_params.get("digest", ""), total)
        if answer.status == 202 and total is not None:
            location = self._upstream.path_of(answer.header("location")) or b""
            if following := session_of(location.decode("latin-1").partition("?")[0]):
                self._sessions.set(following, total)
        return answer

    async def _mounted_size(self, request: Request, start: StartUpload) -> int | None:
        """Bytes of a blob that is to be mounted; None if the registry does not say, then the
        manifest that it is for is held against the limit."""
        if not (start.mount and start.mount_from):
            return None
        try:
            return await self._sizes.size(start.mount_from, start.mount, authorization(request))
        except SizeUnknownError:
            return None

    async def _uploaded(self, request: Request) -> int:
        """Bytes of a session that another gateway, or an earlier process, has begun."""
        path = request.scope["raw_path"] + b"?" + request.scope["query_string"]
        answer = await self._upstream.send("GET", path, authorization(request))
        await answer.close()
        last = answer.header("range").partition("-")[2]
        return int(last) + 1 if answer.status < 300 and last.isdecimal() and int(last) else 0

    async def _require_or_give_up(
        self, request: Request, repository: Repository, uploaded: int, size: int | None
    ) -> None:
        """Refuse an upload that is or will be too large, and have the registry drop its part."""
        verdict = self._checks.blob(repository, uploaded, size).verdict
        if not verdict.allowed and request.method != "POST":
            path = request.scope["raw_path"] + b"?" + request.scope["query_string"]
            with suppress(UpstreamError, TimeoutError):
                async with asyncio.timeout(_GIVE_UP_TIMEOUT):
                    answer = await self._upstream.send("DELETE", path, authorization(request))
                    await answer.close()
        require(repository, verdict)

    def _body(self, request: Request, start: int, allowance: int | None) -> MeteredBody:
        return MeteredBody(
            request, start=start, allowance=allowance, idle_timeout=self._idle_timeout
        )
