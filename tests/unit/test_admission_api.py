"""How a review is decoded, bounded, counted and answered, whatever decides it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from app.admission.dispatch import Admission
from app.admission.review import AdmissionRequest, Outcome
from app.api.admission import AdmissionApi, owner_of
from app.api.app import create_app
from app.api.health import HealthApi
from app.api.metrics import Metrics
from tests import payloads


class Decisions:
    """Decides when it is told to, and remembers how long it might have taken."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self.within: list[float] = []
        self.outcome = Outcome()

    async def validate(self, request: AdmissionRequest, within: float) -> Outcome:
        self.within.append(within)
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
    """What is noted of an answer comes in the turn of the event loop after it."""
    await asyncio.sleep(0)


def push() -> dict[str, Any]:
    return payloads.load("push-allowed")


async def test_excess_review_is_refused_at_once_and_others_go_on() -> None:
    decisions = Decisions()
    async with client(decisions, max_concurrent=1) as service, asyncio.timeout(20):
        first = asyncio.create_task(service.post("/validate", json=push()))
        await decisions.asked.wait()
        second = (await service.post("/validate", json=push())).json()["response"]
        decisions.go.set()
        assert (await first).json()["response"]["allowed"] is True
        third = await service.post("/validate", json=push())
        assert third.json()["response"]["allowed"] is True
    assert second["status"]["code"] == 429
    assert second["status"]["reason"] == "TooManyRequests"
    assert second["status"]["details"] == {"retryAfterSeconds": 1}


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
    async with client(decisions) as service:
        answer = await service.post(f"/validate?timeout={deadline}", json=push())

    assert answer.status_code == 200
    [left] = decisions.within
    assert within - 0.4 < left <= within


async def test_stalled_body_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client(Decisions(), review_timeout=0.1) as service, asyncio.timeout(20):
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


def wide(namespace: str, entries: int = 3000) -> dict[str, Any]:
    """A review of an object with so many empty objects."""
    review = push()
    review["request"] |= {"namespace": namespace, "object": {"spec": [{}] * entries}}
    return review


async def test_wide_reviews_take_turns_and_others_do_not_wait() -> None:
    decisions = Decisions()
    async with client(decisions) as service, asyncio.timeout(20):
        first = asyncio.create_task(service.post("/validate", json=wide("team-a")))
        await decisions.asked.wait()
        second = asyncio.create_task(service.post("/validate", json=wide("team-a")))
        small = asyncio.create_task(service.post("/validate", json=push()))
        while len(decisions.within) < 2:
            await asyncio.sleep(0)
        assert len(decisions.within) == 2
        decisions.go.set()
        answers = await asyncio.gather(first, second, small)

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_wide_review_without_a_turn_in_time_is_answered_429() -> None:
    decisions = Decisions()
    async with client(decisions) as service, asyncio.timeout(20):
        first = asyncio.create_task(service.post("/validate", json=wide("team-a")))
        await decisions.asked.wait()
        second = await service.post("/validate?timeout=0s", json=wide("team-b"))
        decisions.go.set()
        assert (await first).status_code == 200

    assert (second.status_code, second.headers["Retry-After"]) == (429, "1")


async def test_too_many_objects_are_refused_before_they_are_decoded() -> None:
    async with client(Decisions(), max_body_bytes=200_000) as service:
        answer = await service.post("/validate", json=wide("team-a", 32_000))

    assert answer.status_code == 413
    assert answer.json()["message"].startswith("the body has more than 32000 objects and lists")


async def test_namespace_that_has_all_places_leaves_a_share_to_others() -> None:
    decisions = Decisions()
    async with client(decisions, max_concurrent=2) as service, asyncio.timeout(20):
        other = push()
        other["request"]["namespace"] = "team-other"
        taken = [asyncio.create_task(service.post("/validate", json=push())) for _ in range(2)]
        while len(decisions.within) < 2:
            await asyncio.sleep(0)
        refused = (await service.post("/validate", json=push())).json()["response"]
        allowed = asyncio.create_task(service.post("/validate", json=other))
        while len(decisions.within) < 3:
            await asyncio.sleep(0)
        decisions.go.set()
        answers = [answer.json()["response"] for answer in await asyncio.gather(*taken, allowed)]

    assert refused["status"]["code"] == 429
    assert [answer["allowed"] for answer in answers] == [True] * 3


@pytest.mark.parametrize(
    ("body", "owner"),
    [
        pytest.param(b'{"request":{"name":"a","namespace":"team-a","object":{', "team-a", id="a"),
        pytest.param(
            b'{"request":{"name":"\\"namespace\\":\\"b\\"","namespace":"a"', "a", id="quoted"
        ),
        pytest.param(b'{"request":{"name":"a"' + b" " * 9000 + b'"namespace":"b"', "", id="far"),
    ],
)
def test_owner_of_a_review_is_its_namespace(body: bytes, owner: str) -> None:
    assert owner_of(body) == owner


@pytest.mark.parametrize(
    ("count", "status", "message"),
    [
        pytest.param(1, 400, "userInfo.groups.0: Input should be a valid string", id="one"),
        pytest.param(5000, 400, "5000 fields cannot be read", id="thousands"),
        pytest.param(300_000, 413, "more than 200000 values; send fewer at once", id="too many"),
    ],
)
async def test_wrong_values_are_bounded(count: int, status: int, message: str) -> None:
    """A fault takes half a kilobyte of memory: four million of them end the process."""
    review = push()
    review["request"]["userInfo"] = {"groups": [1] * count}
    async with client(Decisions(), max_body_bytes=10**7) as service:
        answer = await service.post("/validate", json=review)

    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert len(answer.text) < 10_000


async def test_answer_to_a_wrong_name_is_bounded() -> None:
    review = push()
    review["request"]["userInfo"] = {"extra": {"k" * 100_000: 1}}
    async with client(Decisions(), max_body_bytes=10**7) as service:
        answer = await service.post("/validate", json=review)

    assert answer.status_code == 400
    assert len(answer.text) < 10_000


async def test_names_in_the_log_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    decisions = Decisions()
    decisions.go.set()
    content = push()
    content["request"]["userInfo"]["username"] = "u" * 5000
    with caplog.at_level("INFO"):
        async with client(decisions) as http:
            await http.post("/validate", json=content)
        await noted()

    assert [len(getattr(one, "user", "")) for one in caplog.records if hasattr(one, "uid")] == [512]
