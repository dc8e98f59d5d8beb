"""The ASGI application."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.admission import AdmissionApi, Endpoint
from app.api.errors import on_http_exception
from app.api.health import HealthApi
from app.version import VERSION

logger = logging.getLogger("registry_admission.server")


def create_app(admission: AdmissionApi, health: HealthApi) -> FastAPI:
    """Every route of the service; errors are Kubernetes `Status` objects, never tracebacks."""
    app = _Service(
        admission,
        title="registry-admission",
        version=VERSION,
        exception_handlers={HTTPException: on_http_exception, Exception: on_http_exception},
    )
    app.include_router(admission.router())
    app.include_router(health.router())
    return app


class _Service(FastAPI):
    """FastAPI, with a short way for reviews.

    Every push waits for one, and their endpoints read the request and write the response
    themselves: what FastAPI and Starlette do on the way to them costs more than the decision.
    """

    def __init__(self, admission: AdmissionApi, **options: Any) -> None:
        super().__init__(**options)
        self._reviews = admission.endpoints()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_review = scope["type"] == "http" and scope["method"] == "POST"
        endpoint = self._reviews.get(scope["path"]) if is_review else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
        else:
            response = await _answer(endpoint, Request(scope, receive))
            await response(scope, receive, send)


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except Exception as error:
        if not isinstance(error, HTTPException):
            logger.exception("a review failed")
        return await on_http_exception(request, error)
