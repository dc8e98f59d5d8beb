"""The ASGI application."""

import logging
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.admission import AdmissionApi, PlainRoute
from app.api.errors import on_http_exception
from app.api.health import HealthApi
from app.version import VERSION

logger = logging.getLogger("registry_admission.server")


def create_app(admission: AdmissionApi, health: HealthApi) -> FastAPI:
    """Every route of the service; errors are Kubernetes `Status` objects, never tracebacks."""
    app = _Service(
        title="registry-admission",
        version=VERSION,
        # These two pages load scripts from another site.
        docs_url=None,
        redoc_url=None,
        exception_handlers={HTTPException: on_http_exception, Exception: on_http_exception},
    )
    app.include_router(admission.router())
    app.include_router(health.router())
    return app


class _Service(FastAPI):
    """FastAPI that calls the endpoint of a plain route directly.

    Every push waits for a review. The middleware of FastAPI and Starlette costs more time than the
    decision, and a plain route does not need it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._plain: dict[tuple[str, str], PlainRoute] = {}

    def include_router(self, router: APIRouter, **options: Any) -> None:
        super().include_router(router, **options)
        self._plain |= {
            (method, route.path): route
            for route in router.routes
            if isinstance(route, PlainRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        route = self._plain.get((scope["method"], scope["path"])) if is_http else None
        if route is None:
            await super().__call__(scope, receive, send)
        else:
            response = await _answer(route, Request(scope, receive))
            await response(scope, receive, send)


async def _answer(route: PlainRoute, request: Request) -> Response:
    try:
        return await route.get_route_handler()(request)
    except Exception as error:
        if not isinstance(error, HTTPException):
            logger.exception("a review failed")
        return await on_http_exception(request, error)
