"""`/v1/push/authorize`: push checks for a proxy that asks before it passes a request on.

A proxy does not pass bodies on. A blob is checked by its declared length, if the proxy names it. Of
a manifest, only the room for its tag is checked. The admission review decides on the rest.
"""

import base64
import json
import logging
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from app.api.fairness import OverloadedError, Shares
from app.api.proxies import AmbiguousRequestError, asked_by
from app.auth.authentication import Authenticator, Subject
from app.config.setting_types import PushProxy
from app.policy.enforcement import Sender
from app.quota.state import StateUnavailableError
from app.registry.errors import RegistryError, unavailable
from app.registry.names import Repository
from app.registry.push import PushChecks
from app.registry.routes import ContinueUpload, PutManifest, StartUpload, route

logger = logging.getLogger("registry_admission.push")

PATH = "/v1/push/authorize"
LOGIN_PATH = "/v1/push/login"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_CHALLENGE = 'Basic realm="registry-admission"'
"""Registry clients log in with Basic: the password is the token."""
_ERROR = "X-Registry-Error"
"""Header with the refusal, for proxies that do not pass on the body of a refusal."""


class AuthorizeApi:
    """Answers 200 for a request that may pass, else the status and OCI errors for the client."""

    def __init__(
        self,
        checks: PushChecks,
        authenticator: Authenticator,
        proxy: PushProxy,
        *,
        max_concurrent: int,
    ) -> None:
        self._proxy = proxy
        self._shares = Shares(max_concurrent)
        self._checks = checks
        self._authenticator = authenticator

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.add_api_route(LOGIN_PATH, self.login, methods=_METHODS)
        router.add_api_route(PATH + "{path:path}", self.authorize, methods=_METHODS)
        return router

    async def authorize(self, request: Request) -> Response:
        return await self._answer(request, self._decide)

    async def login(self, request: Request) -> Response:
        """200 for a known token, else 401 with a challenge.

        A proxy asks this for `GET /v2/`, the first request of clients. After 401 they send
        credentials, and `docker login` learns whether these are right.
        """
        return await self._answer(request, self._subject)

    async def _answer(
        self, request: Request, check: Callable[[Request], Awaitable[object]]
    ) -> Response:
        """200 unless the check fails. All addresses share the places for checks."""
        try:
            with self._shares.place(request.client.host if request.client else ""):
                await check(request)
        except OverloadedError:
            message = "registry-admission is busy; try again"
            return _refusal(RegistryError("TOOMANYREQUESTS", message, retry_after=1))
        except RegistryError as error:
            return _refusal(error)
        except StateUnavailableError as error:
            return _refusal(unavailable(error))
        return Response()

    async def _subject(self, request: Request) -> Subject:
        token = _token(request.headers.get("authorization", ""))
        subject = await self._authenticator.authenticate(token) if token else None
        if subject is None:
            raise RegistryError("UNAUTHORIZED", "a known token is required")
        return subject

    async def _decide(self, request: Request) -> None:
        own_path = request.scope["raw_path"].decode("latin-1").removeprefix(PATH)
        own = f"{own_path}?{request.url.query}" if request.url.query else own_path
        try:
            asked = asked_by(self._proxy, request.method, own, request.headers)
        except AmbiguousRequestError as error:
            logger.info("denied", extra={"check": "authorize", "problem": str(error)})
            raise RegistryError("UNSUPPORTED", f"not decided: {error}") from None
        match route(asked.method, asked.path, asked.query):
            case StartUpload(repository) | ContinueUpload(repository):
                sender = await self._pusher(request, repository)
                check = self._checks.blob(repository, 0, asked.length, sender)
                self._checks.require(repository, check.verdict)
            case PutManifest(repository, reference):
                sender = await self._pusher(request, repository)
                self._checks.require(
                    repository, await self._checks.room(repository, reference, sender)
                )

    async def _pusher(self, request: Request, repository: Repository) -> Sender:
        subject = await self._subject(request)
        if not await self._authenticator.may_push(subject, repository):
            raise RegistryError("DENIED", f"{subject.name} may not push to {repository}")
        return Sender(subject.name, subject.groups)


def _token(authorization: str) -> str:
    """A bearer token, or the token that `docker login` was given as a password."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _refusal(error: RegistryError) -> Response:
    """The response for nginx, to which 401 and 403 are refusals and other statuses are failures."""
    response = error.response()
    if response.status_code in (400, 405):
        response.status_code = 403
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = _CHALLENGE
    response.headers[_ERROR] = json.dumps(error.body)
    return response
