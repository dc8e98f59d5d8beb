"""`POST /v1/push/…`: a registry asks before it takes a blob or a manifest.

A decision has HTTP status 200. If it is a refusal, the body has the status and the OCI errors for
the registry's client. The statuses 401, 403, 429 and 503 are about the question itself. Their
bodies are OCI errors as well.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import Base64Bytes, Field, ValidationError, model_validator

from app.api.body import BodyReader
from app.api.clients import CERTIFICATE
from app.api.contract import ASKED_ERRORS, Message, request_body
from app.api.errors import BadRequestError
from app.api.fairness import OverloadedError, Shares
from app.auth.authentication import Authenticator, Subject
from app.auth.bearer import bearer_token
from app.model.base import Digest, problems
from app.model.image import ByteCount
from app.model.manifest import MAX_BYTES
from app.policy.enforcement import Sender
from app.policy.verdict import MAX_VIOLATIONS, Verdict
from app.quota.state import StateUnavailableError
from app.registry.errors import RegistryError, denied, unavailable
from app.registry.manifest import parse
from app.registry.names import Repository, parse_reference, parse_repository
from app.registry.push import RESERVATION_PATTERN, PushChecks

logger = logging.getLogger("registry_admission.push")

_MAX_BODY = MAX_BYTES * 4 // 3 + 64 * 1024
"""A manifest grows by a third in base64."""
_RETRY_AFTER = 1
_BEARER = HTTPBearer(auto_error=False)
"""Documents in OpenAPI that a token is needed. PushApi checks it."""


class Question(Message):
    repository: Annotated[str, Field(description="`<namespace>/<stream>`", examples=["team-a/app"])]


class BlobQuestion(Question):
    size: Annotated[ByteCount, Field(description="Bytes uploaded so far.")] = 0
    declared_size: Annotated[
        ByteCount | None, Field(description="Bytes that the whole blob will have, where known.")
    ] = None
    upload: Annotated[
        str, Field(max_length=512, description="Name of the upload session, for the log.")
    ] = ""


class ManifestQuestion(Question):
    """Either the manifest itself or its digest."""

    reference: Annotated[str, Field(description="Tag or digest it is pushed as.")]
    media_type: str = ""
    manifest: Annotated[Base64Bytes | None, Field(description="Its bytes, in base64.")] = None
    digest: Annotated[
        Digest | None, Field(description="Its digest, for a manifest that is stored already.")
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ManifestQuestion":
        if (self.manifest is None) == (self.digest is None):
            raise ValueError("exactly one of manifest and digest is required")
        return self


class ReservationQuestion(Question):
    reservation: Annotated[str, Field(pattern=RESERVATION_PATTERN)]


class Violation(Message):
    reason: str
    message: str
    next_step: str


class Answer(Message):
    allowed: bool
    status: Annotated[int, Field(description="HTTP status for the registry's client.")] = 200
    errors: Annotated[
        list[dict[str, Any]], Field(description="OCI errors for the registry's client.")
    ] = Field(default_factory=list)
    violations: list[Violation] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class BlobAnswer(Answer):
    remaining: Annotated[
        int | None, Field(description="Bytes the upload may still grow by; null: no limit.")
    ] = None


class ManifestAnswer(Answer):
    digest: str = ""
    size: Annotated[int | None, Field(description="Bytes: distinct layers and config.")] = None
    reservation: str = ""


class ReservationAnswer(Message):
    done: Annotated[bool, Field(description="False if nothing was held under that name.")]


Asked = TypeVar("Asked", bound=Question)
Decide = Callable[[Repository, Asked, Sender], Awaitable[Message]]


class PushApi:
    """Answers push checks. It authenticates first, so that errors tell unknown callers nothing."""

    def __init__(
        self,
        checks: PushChecks,
        authenticator: Authenticator,
        refused: Callable[[Repository, Verdict, str], None],
        *,
        max_concurrent: int,
        is_pusher: Callable[[str], bool] = lambda _common_name: False,
    ) -> None:
        """`is_pusher`: whether a client certificate with this common name belongs to a user of push
        checks. TLS has verified the certificate, possibly by the CA of API servers.
        """
        self._checks = checks
        self._authenticator = authenticator
        self._refused = refused
        self._shares = Shares(max_concurrent)
        self._is_pusher = is_pusher
        self._bodies = BodyReader(_MAX_BODY)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1/push", tags=["push checks"])

        def add(
            name: str, asked: type[Asked], answer: type[Message], decide: Decide[Asked]
        ) -> None:
            async def endpoint(request: Request) -> Response:
                return await self._answer(request, asked, decide)

            router.add_api_route(
                f"/{name}",
                endpoint,
                name=f"push {name}",
                description=decide.__doc__,
                methods=["POST"],
                response_model=answer,
                dependencies=[Depends(_BEARER)],
                responses=ASKED_ERRORS,
                openapi_extra={"requestBody": request_body(asked)},
            )

        add("blob", BlobQuestion, BlobAnswer, self.blob)
        add("manifest", ManifestQuestion, ManifestAnswer, self.manifest)
        add("cancel", ReservationQuestion, ReservationAnswer, self.cancel)
        return router

    async def blob(self, repository: Repository, asked: BlobQuestion, sender: Sender) -> BlobAnswer:
        """Decide whether an upload may go on, by its size so far or by its declared size."""
        check = self._checks.blob(repository, asked.size, asked.declared_size, sender)
        self._note(
            "blob", repository, check.verdict, sender, {"upload": asked.upload, "size": asked.size}
        )
        return BlobAnswer(**_fields(check.verdict), remaining=check.remaining)

    async def manifest(
        self, repository: Repository, asked: ManifestQuestion, sender: Sender
    ) -> ManifestAnswer:
        """Decide whether a manifest may be stored. If so, reserve what it adds."""
        try:
            reference = parse_reference(asked.reference)
            if asked.manifest is not None:
                parsed = parse(asked.manifest, asked.media_type, reference)
                check = await self._checks.manifest(repository, reference, parsed, sender=sender)
            else:
                digest = asked.digest or ""
                check = await self._checks.descriptor(repository, reference, digest, sender)
        except RegistryError as error:
            return ManifestAnswer(allowed=False, status=error.status, errors=error.body["errors"])
        self._note("manifest", repository, check.verdict, sender, {"digest": check.digest})
        return ManifestAnswer(
            **_fields(check.verdict),
            digest=check.digest,
            size=check.size,
            reservation=check.reservation,
        )

    async def cancel(
        self, repository: Repository, asked: ReservationQuestion, sender: Sender
    ) -> ReservationAnswer:
        """End the reservation of a manifest that was not stored."""
        return ReservationAnswer(done=await self._checks.cancel(repository, asked.reservation))

    def _note(
        self,
        what: str,
        repository: Repository,
        verdict: Verdict,
        sender: Sender,
        extra: dict[str, Any],
    ) -> None:
        _log(what, repository, verdict, extra)
        if not verdict.allowed:
            self._refused(repository, verdict, sender.user)

    async def _answer(
        self, request: Request, asked: type[Asked], decide: Decide[Asked]
    ) -> Response:
        try:
            with self._shares.place(request.client.host if request.client else ""):
                answer = await self._decide(request, asked, decide)
        except OverloadedError:
            message = "registry-admission is busy; try again"
            return RegistryError("TOOMANYREQUESTS", message, retry_after=_RETRY_AFTER).response()
        except StateUnavailableError as error:
            return unavailable(error).response()
        except RegistryError as error:
            return error.response()
        return JSONResponse(answer.model_dump(mode="json"))

    async def _decide(self, request: Request, asked: type[Asked], decide: Decide[Asked]) -> Message:
        subject = await self._subject(request)
        if subject is None:
            raise RegistryError("UNAUTHORIZED", "a known bearer token is required")
        try:
            question = asked.model_validate(await self._bodies.json(request))
        except ValidationError as error:
            raise BadRequestError("; ".join(problems(error))) from None
        repository = parse_repository(question.repository)
        if not await self._authenticator.may_push(subject, repository):
            raise RegistryError("DENIED", f"{subject.name} may not push to {repository}")
        return await decide(repository, question, Sender(subject.name, subject.groups))

    async def _subject(self, request: Request) -> Subject | None:
        """The user of the bearer token; without a token, of the connection's client certificate."""
        bearer = bearer_token(request)
        if bearer:
            return await self._authenticator.authenticate(bearer)
        certificate = request.scope.get("state", {}).get(CERTIFICATE) or {"subject": ()}
        names = _names(certificate, "commonName")
        if len(names) != 1 or not self._is_pusher(names[0]):
            return None
        groups = tuple(_names(certificate, "organizationName"))
        return self._authenticator.certified(names[0], groups)


def _names(certificate: dict[str, Any], field: str) -> list[str]:
    """Values of a field of the subject, as `ssl.SSLObject.getpeercert` has them."""
    return [value for part in certificate["subject"] for name, value in part if name == field]


def _fields(verdict: Verdict) -> dict[str, Any]:
    refusal = None if verdict.allowed else denied(verdict)
    return {
        "allowed": verdict.allowed,
        "status": refusal.status if refusal else 200,
        "errors": refusal.body["errors"] if refusal else [],
        "violations": [
            Violation(reason=found.reason, message=found.message, next_step=found.next_step)
            for found in verdict.violations[:MAX_VIOLATIONS]
        ],
        "warnings": verdict.told_anyway + verdict.warnings,
    }


def _log(what: str, repository: Repository, verdict: Verdict, extra: dict[str, Any]) -> None:
    """Log refusals at level info, and allowed requests at level debug."""
    level = logging.DEBUG if verdict.allowed else logging.INFO
    reasons = list(verdict.reasons)
    about = {"check": what, "repository": str(repository), "reasons": reasons, **extra}
    logger.log(level, "allowed" if verdict.allowed else "denied", extra=about)
