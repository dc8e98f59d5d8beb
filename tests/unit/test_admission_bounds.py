"""Reviews are bounded in size, number and time, and no caller takes the share of others."""

import asyncio
from typing import Any

import httpx
import pytest

from app.api.admission import owner_of
from tests.patience import PATIENCE
from tests.unit import virtual_time
from tests.unit.admission_service import Decisions, client, noted, push


async def test_excess_review_is_refused_at_once_and_others_go_on() -> None:
    decisions = Decisions()
    async with client(decisions, max_concurrent=1) as service, asyncio.timeout(PATIENCE):
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


def wide(namespace: str, entries: int = 3000) -> dict[str, Any]:
    """A review of an object with this number of empty objects."""
    review = push()
    review["request"] |= {"namespace": namespace, "object": {"spec": [{}] * entries}}
    return review


def test_wide_reviews_take_turns_and_others_do_not_wait() -> None:
    decisions = Decisions()
    small = push()
    small["request"]["namespace"] = "team-b"

    async def calls() -> list[httpx.Response]:
        async with client(decisions, review_timeout=PATIENCE) as service:
            first = asyncio.create_task(service.post("/validate", json=wide("team-a")))
            await decisions.asked.wait()
            decisions.asked.clear()
            others = [
                asyncio.create_task(service.post("/validate", json=review))
                for review in (wide("team-a"), small)
            ]
            await decisions.asked.wait()
            assert decisions.namespaces == ["team-a", "team-b"]
            decisions.go.set()
            return await asyncio.gather(first, *others)

    assert [answer.status_code for answer in virtual_time.run(calls())] == [200, 200, 200]
    assert decisions.namespaces == ["team-a", "team-b", "team-a"]


async def test_wide_review_without_a_turn_in_time_is_answered_429() -> None:
    decisions = Decisions()
    async with client(decisions) as service, asyncio.timeout(PATIENCE):
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
    async with client(decisions, max_concurrent=2) as service, asyncio.timeout(PATIENCE):
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
