"""The ASGI application."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from app.api.admission import AdmissionApi
from app.api.errors import on_http_exception
from app.api.health import HealthApi
from app.version import VERSION


def create_app(admission: AdmissionApi, health: HealthApi) -> FastAPI:
    """Every route of the service; errors are Kubernetes `Status` objects, never tracebacks."""
    app = FastAPI(
        title="registry-admission",
        version=VERSION,
        exception_handlers={HTTPException: on_http_exception, Exception: on_http_exception},
    )
    app.include_router(admission.router())
    app.include_router(health.router())
    return app
