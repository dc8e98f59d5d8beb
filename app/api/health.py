"""`/healthz`, `/readyz`, `/version` and `/metrics`."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from app.api.contract import Readiness, Responses, Version
from app.api.metrics import READY, Metrics
from app.version import VERSION


class HealthApi:
    """The process is alive if it answers, and ready if there is no reason against deciding."""

    def __init__(
        self,
        metrics: Metrics,
        not_ready: Callable[[], list[str]],
        warnings: Callable[[], list[str]] = list,
    ) -> None:
        """`warnings`: problems that do not keep the service from answering."""
        self._metrics = metrics
        self._not_ready = not_ready
        self._warnings = warnings
        metrics.gauge(READY, lambda: float(not not_ready()))

    def router(self) -> APIRouter:
        router = APIRouter(tags=["operations"])
        text = PlainTextResponse
        not_ready: Responses = {503: {"model": Readiness, "description": "Not ready, and why."}}
        router.add_api_route("/healthz", self.healthz, methods=["GET"], response_class=text)
        router.add_api_route(
            "/readyz",
            self.readyz,
            methods=["GET"],
            response_model=Readiness,
            responses=not_ready,
        )
        router.add_api_route("/version", self.version, methods=["GET"], response_model=Version)
        router.add_api_route("/metrics", self.metrics, methods=["GET"], response_class=text)
        return router

    async def healthz(self) -> Response:
        """200 if the process answers at all."""
        return PlainTextResponse("ok")

    async def readyz(self) -> Response:
        """200, or 503 with the reasons."""
        reasons = self._not_ready()
        content = {"ready": not reasons, "reasons": reasons, "warnings": self._warnings()}
        return JSONResponse(content, 503 if reasons else 200)

    async def version(self) -> Response:
        """The version of the service."""
        return JSONResponse({"version": VERSION})

    async def metrics(self) -> Response:
        """Prometheus text format."""
        return Response(self._metrics.render(), media_type=CONTENT_TYPE_LATEST)
