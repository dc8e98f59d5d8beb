"""`POST /validate` and `POST /mutate`."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.background import BackgroundTask

from app.admission.dispatch import Admission
from app.admission.review import AdmissionRequest, AdmissionReview, Outcome, overloaded
from app.api.body import BodyReader, decoded, entries, require_json
from app.api.contract import REVIEW_ERRORS, ReviewAnswer, request_body
from app.api.errors import BadRequestError, too_many_requests
from app.api.fairness import OverloadedError, Shares, Turns
from app.api.metrics import Metrics
from app.config import logs
from app.model.base import problems
from app.policy.verdict import shortened

logger = logging.getLogger("registry_admission.review")

Review = Callable[[AdmissionRequest, float], Awaitable[Outcome]]
REVIEW_PATHS = ("/validate", "/mutate")

_RETRY_AFTER = 1
_TIMEOUT = re.compile(rb"(?:^|&)timeout=([0-9]{1,4})s(?:&|$)")
_EVERYDAY_BYTES = 512 * 1024
_EVERYDAY_ENTRIES = 2000
"""A body with fewer entries is decided at once. A manifest of hundreds of layers has fewer."""
_NAMESPACE = re.compile(rb'"namespace":"([a-z0-9.-]{1,63})"')
_BEFORE_OBJECT = 4096
_MAX_MESSAGE = 4096
"""Characters of the answer to a body that is not a review."""
_MAX_LOGGED = 512
"""Characters of one name in the log: without `client-ca` anybody may send a review."""
_ANSWER_MARGIN = 0.5
"""Seconds between the deadline of the decision and that of the API server, to send the answer."""


class PlainRoute(APIRoute):
    """A route whose endpoint reads the request and writes the response itself.

    The OpenAPI document has it like every other route. FastAPI does nothing at each call.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


class AdmissionApi:
    """Decodes a review, has it decided within its deadline, and answers it."""

    def __init__(
        self,
        admission: Admission,
        metrics: Metrics,
        refused: Callable[[AdmissionRequest, Outcome], None],
        *,
        max_body_bytes: int,
        max_concurrent_reviews: int,
        review_timeout: float,
    ) -> None:
        self._admission = admission
        self._metrics = metrics
        self._refused = refused
        self._bodies = BodyReader(max_body_bytes, review_timeout)
        self._shares = Shares(max_concurrent_reviews)
        self._turns = Turns()
        self._review_timeout = review_timeout

    def router(self) -> APIRouter:
        """POST on REVIEW_PATHS; the endpoints raise HTTPException."""
        router = APIRouter(tags=["admission"], route_class=PlainRoute)
        for path, endpoint in zip(REVIEW_PATHS, (self.validate, self.mutate), strict=True):
            router.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                response_model=ReviewAnswer,
                responses=REVIEW_ERRORS,
                openapi_extra={"requestBody": request_body(AdmissionReview)},
            )
        return router

    async def validate(self, request: Request) -> Response:
        """Decide an admission.k8s.io/v1 AdmissionReview."""
        return await self._answer("validate", request, self._admission.validate)

    async def mutate(self, request: Request) -> Response:
        """Answer an admission.k8s.io/v1 AdmissionReview with a JSONPatch of defaults."""
        return await self._answer("mutate", request, self._admission.mutate)

    async def _answer(self, endpoint: str, request: Request, decide: Review) -> Response:
        ends = time.perf_counter() + self._patience(request)
        body = await self._read(request)
        if not is_expensive(body):
            return await self._review(endpoint, body, decide, ends)
        try:
            async with self._turns.turn(owner_of(body), ends - time.perf_counter()):
                return await self._review(endpoint, body, decide, ends)
        except OverloadedError:
            raise self._counted(too_many_requests()) from None

    async def _review(self, endpoint: str, body: bytes, decide: Review, ends: float) -> Response:
        review = self._decoded(body)
        started = time.perf_counter()
        try:
            outcome = await self._decide(review.request, max(ends - started, 0.0), decide)
        except Exception:
            self._metrics.count_failure(endpoint, review.request)
            raise
        seconds = time.perf_counter() - started
        # The API server does not wait for the log line and the metrics.
        noting = _Noting(partial(self._note, endpoint, review.request, outcome, seconds))
        answer = to_json(outcome.response(review.request.uid))
        return Response(answer, media_type="application/json", background=noting)

    def _note(
        self, endpoint: str, request: AdmissionRequest, outcome: Outcome, seconds: float
    ) -> None:
        self._metrics.count_review(endpoint, request, outcome, seconds)
        if not outcome.allowed or outcome.would_be_refused:
            self._refused(request, outcome)
        _log(endpoint, request, outcome, seconds)

    async def _read(self, request: Request) -> bytes:
        try:
            require_json(request)
            return await self._bodies.read(request)
        except BadRequestError as error:
            raise self._counted(error) from None

    def _decoded(self, body: bytes) -> AdmissionReview:
        try:
            return AdmissionReview.model_validate(decoded(body))
        except BadRequestError as error:
            raise self._counted(error) from None
        except ValidationError as error:
            message = "not an admission.k8s.io/v1 AdmissionReview: " + "; ".join(problems(error))
            raise self._counted(BadRequestError(shortened(message, _MAX_MESSAGE))) from None

    def _counted(self, error: BadRequestError) -> BadRequestError:
        self._metrics.count_bad_request(error.status_code)
        return error

    async def _decide(self, request: AdmissionRequest, within: float, decide: Review) -> Outcome:
        try:
            with self._shares.place(request.namespace or request.user_info.username):
                return await decide(request, within)
        except OverloadedError:
            return overloaded(request.title, _RETRY_AFTER)

    def _patience(self, request: Request) -> float:
        """Seconds for the whole review. The API server names its own deadline: `?timeout=10s`."""
        named = _TIMEOUT.search(request.scope["query_string"])
        if named is None:
            return self._review_timeout
        return min(self._review_timeout, max(int(named[1]) - _ANSWER_MARGIN, _ANSWER_MARGIN))


class _Noting(BackgroundTask):
    """Runs work in the next turn of the event loop. The loop sends the answer at the end of this
    turn, so the work does not delay it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    async def __call__(self) -> None:
        asyncio.get_running_loop().call_soon(self._work)


def is_expensive(body: bytes) -> bool:
    """Whether the decision on a review may take so long that it delays others."""
    return len(body) > _EVERYDAY_BYTES or entries(body) > _EVERYDAY_ENTRIES


def owner_of(body: bytes) -> str:
    """The namespace in a review that is not decoded yet; empty if there is none.

    API servers write it before the object. A tenant cannot put another one there: quotes in names
    are escaped.
    """
    found = _NAMESPACE.search(body, 0, _BEFORE_OBJECT)
    return found[1].decode() if found else ""


def _log(endpoint: str, request: AdmissionRequest, outcome: Outcome, seconds: float) -> None:
    about = {
        "endpoint": endpoint,
        "uid": request.uid,
        "operation": request.operation,
        "kind": request.kind.kind[:_MAX_LOGGED],
        "namespace": request.namespace[:_MAX_LOGGED],
        "object": request.name[:_MAX_LOGGED],
        "user": request.user_info.username[:_MAX_LOGGED],
        "dry_run": request.dry_run,
        "reasons": list(outcome.causes),
        **_tolerated(outcome),
        "milliseconds": round(seconds * 1000, 3),
    }
    logs.info(logger, "allowed" if outcome.allowed else "denied", about)


def _tolerated(outcome: Outcome) -> dict[str, object]:
    if not outcome.tolerated:
        return {}
    exempt = {"exempt": outcome.exemption} if outcome.exemption else {}
    return {"would_refuse": [found.reason for found in outcome.tolerated], **exempt}
