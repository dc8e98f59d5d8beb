"""The endpoints of reviews with decisions that a test controls."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httpx
from fastapi import FastAPI

from app.admission.dispatch import Admission
from app.admission.review import AdmissionRequest, Outcome
from app.api.admission import AdmissionApi
from app.api.app import create_app
from app.api.health import HealthApi
from app.api.metrics import Metrics
from tests import payloads


class Decisions:
    """Decides when the test says so, and records what it is asked and how long it may take."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self.within: list[float] = []
        self.namespaces: list[str] = []
        self.outcome = Outcome()

    async def validate(self, request: AdmissionRequest, within: float) -> Outcome:
        self.within.append(within)
        self.namespaces.append(request.namespace)
        self.asked.set()
        await self.go.wait()
        return self.outcome


def client(
    decisions: Decisions,
    *,
    max_concurrent: int = 10,
    max_body_bytes: int = 10_000,
    review_timeout: float = 8.0,
    refused: Callable[[AdmissionRequest, Outcome], None] = lambda _request, _outcome: None,
) -> httpx.AsyncClient:
    metrics = Metrics()
    api = AdmissionApi(
        cast("Admission", decisions),
        metrics,
        refused,
        max_body_bytes=max_body_bytes,
        max_concurrent_reviews=max_concurrent,
        review_timeout=review_timeout,
    )
    app: FastAPI = create_app(api, HealthApi(metrics, list))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def noted() -> None:
    """Wait one turn of the event loop: the records about an answer come after it."""
    await asyncio.sleep(0)


def push() -> dict[str, Any]:
    return payloads.load("push-allowed")
