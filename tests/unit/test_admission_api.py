"""How a review is decoded, counted and answered, with decisions that a test controls."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from app.admission.review import AdmissionRequest, Outcome
from tests.patience import PATIENCE
from tests.unit.admission_service import Decisions, client, noted, push


@pytest.mark.parametrize(
    ("deadline", "within"),
    [
        ("", 8.0), ("3s", 2.5), ("30s", 8.0), ("1s", 0.5), ("0s", 0.5), ("soon", 8.0), ("-1s", 8.0),
        ("9" * 5000 + "s", 8.0),
    ],
)  # fmt: skip
async def test_decision_ends_before_the_api_servers_timeout(deadline: str, within: float) -> None:
    decisions = Decisions()
    decisions.go.set()
    started = time.monotonic()
    async with client(decisions) as service:
        answer = await service.post(f"/validate?timeout={deadline}", json=push())
    taken = time.monotonic() - started

    assert answer.status_code == 200
    [left] = decisions.within
    assert within - taken <= left <= within


async def test_stalled_body_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client(Decisions(), review_timeout=0.1) as service, asyncio.timeout(PATIENCE):
        headers = {"Content-Type": "application/json"}
        answer = await service.post("/validate", content=endless(), headers=headers)

    assert (answer.status_code, answer.json()["reason"]) == (408, "Timeout")
    assert answer.json()["message"] == "the body did not come in 0.1 s"


async def test_length_of_thousands_of_digits_is_too_large() -> None:
    async with client(Decisions()) as service:
        headers = {"Content-Type": "application/json", "Content-Length": "9" * 5000}
        answer = await service.post("/validate", content=b"{}", headers=headers)

    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")


async def test_reviews_are_counted_by_kind_verdict_and_every_reason() -> None:
    decisions = Decisions()
    decisions.go.set()
    pod = push()
    pod["request"]["kind"]["kind"] = "Anything/a tenant likes"
    async with client(decisions) as service:
        await service.post("/validate", json=pod)
        decisions.outcome = Outcome(allowed=False, causes=("ImageTooLarge", "QuotaExceeded"))
        await service.post("/validate", json=push())
        await service.post("/validate", content=b"{")
        await noted()
        metrics = (await service.get("/metrics")).text

    for kind, reason, verdict in (
        ("other", "", "allowed"),
        ("ImageStreamMapping", "ImageTooLarge", "denied"),
        ("ImageStreamMapping", "QuotaExceeded", "denied"),
    ):
        labels = f'endpoint="validate",kind="{kind}",reason="{reason}",verdict="{verdict}"'
        assert f"registry_admission_reviews_total{{{labels}}} 1.0" in metrics
    assert 'registry_admission_review_seconds_count{endpoint="validate"} 2.0' in metrics
    assert 'registry_admission_bad_requests_total{code="400"} 1.0' in metrics


async def test_a_review_that_fails_inside_is_counted() -> None:
    class Failing(Decisions):
        async def validate(self, request: AdmissionRequest, within: float) -> Outcome:
            raise RuntimeError

    async with client(Failing()) as service:
        assert (await service.post("/validate", json=push())).status_code == 500
        metrics = (await service.get("/metrics")).text

    labels = 'kind="ImageStreamMapping",reason="InternalError",verdict="failed"'
    assert f'registry_admission_reviews_total{{endpoint="validate",{labels}}} 1.0' in metrics


async def test_internal_failure_is_a_status_without_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Decisions):
        async def validate(self, request: AdmissionRequest, within: float) -> Outcome:
            raise RuntimeError("secret detail")

    async with client(Failing()) as service:
        answer = await service.post("/validate", json=push())

    assert answer.status_code == 500
    assert answer.json()["message"] == "registry-admission failed; its log says why"
    assert "secret detail" in caplog.text
    assert "secret detail" not in answer.text


async def test_failure_of_logging_does_not_change_the_answer() -> None:
    decisions = Decisions()
    decisions.go.set()

    def fail(_request: AdmissionRequest, _outcome: Outcome) -> None:
        raise RuntimeError

    decisions.outcome = Outcome(allowed=False, code=403, message="too many")
    async with client(decisions, refused=fail) as service:
        answer = await service.post("/validate", json=push())

    assert answer.json()["response"]["status"]["message"] == "too many"
