"""`POST /v1/push/…` over HTTP: refusals are OCI errors and reveal nothing to strangers."""

import base64
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.api.push import PushApi
from app.auth.authentication import StaticTokens
from app.model.limits import NamespaceLimits
from app.model.manifest import OCI_MANIFEST
from app.policy.verdict import Verdict
from app.registry.names import Repository
from tests.unit.pushes import Pushes, digest_of, image
from tests.unit.stores import limit, quota

TOKEN = "0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
APP = "team-a/app"
BLOB = {"repository": APP, "size": 0}

Told = list[tuple[str, list[str]]]


@pytest.fixture
def pushes() -> Pushes:
    return Pushes(NamespaceLimits(image_size=limit("1Ki"), quotas=(quota(image_tags=1),)))


@pytest.fixture
def told() -> Told:
    """The refusals that were reported to Events and to the page."""
    return []


@pytest_asyncio.fixture
async def client(pushes: Pushes, told: Told, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} ci team-a\n")
    app = FastAPI()

    def refused(repository: Repository, verdict: Verdict, user: str) -> None:
        told.append((str(repository), [violation.reason for violation in verdict.violations]))

    api = PushApi(pushes.checks, StaticTokens(tokens), refused, max_concurrent=2)
    app.include_router(api.router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def question(content: bytes, tag: str = "v1", **fields: Any) -> dict[str, Any]:
    manifest = base64.b64encode(content).decode()
    return {
        "repository": APP,
        "reference": tag,
        "mediaType": OCI_MANIFEST,
        "manifest": manifest,
        **fields,
    }


async def ask(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"/v1/push/{path}", json=body, headers=BEARER)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def test_blob_check_answers_with_the_room_left(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "blob", {**BLOB, "size": 1000, "upload": "u1"})

    assert (answer["allowed"], answer["status"], answer["remaining"]) == (True, 200, 24)
    assert answer["errors"] == []


async def test_blob_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "blob", {**BLOB, "declaredSize": 2048})

    assert (answer["allowed"], answer["status"], answer["remaining"]) == (False, 403, 1024)
    [error] = answer["errors"]
    assert error["code"] == "DENIED"
    assert "2Ki > 1Ki" in error["message"]
    assert error["detail"] == {"reasons": ["ImageTooLarge"], "exact": ["2048 > 1024 bytes"]}
    [violation] = answer["violations"]
    assert violation["reason"] == "ImageTooLarge"
    assert violation["nextStep"].startswith("make the image smaller")


async def test_only_refusals_are_recorded(client: httpx.AsyncClient, told: Told) -> None:
    await ask(client, "blob", BLOB)
    await ask(client, "manifest", question(image(100)))
    assert told == []
    await ask(client, "blob", {**BLOB, "declaredSize": 2048})
    await ask(client, "manifest", question(image(2048), "v2"))
    assert told == [(APP, ["ImageTooLarge"]), (APP, ["ImageTooLarge", "QuotaExceeded"])]


async def test_a_push_reserves_until_it_is_cancelled(client: httpx.AsyncClient) -> None:
    first = await ask(client, "manifest", question(image(10)))
    assert (first["allowed"], first["digest"], first["size"]) == (True, digest_of(image(10)), 10)
    held = {"repository": APP, "reservation": first["reservation"]}

    assert not (await ask(client, "manifest", question(image(20), "v2")))["allowed"]
    assert await ask(client, "cancel", held) == {"done": True}
    assert await ask(client, "cancel", held) == {"done": False}
    assert (await ask(client, "manifest", question(image(20), "v2")))["allowed"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        pytest.param({"mediaType": "text/plain"}, 400, "MANIFEST_INVALID", id="media type"),
        pytest.param({"reference": digest_of(b"")}, 400, "DIGEST_INVALID", id="another digest"),
        pytest.param({"reference": "-"}, 400, "MANIFEST_INVALID", id="no reference"),
        pytest.param(
            {"manifest": None, "digest": digest_of(b"")}, 403, "DENIED", id="an unknown size"
        ),
    ],
)
async def test_invalid_manifest_is_refused_with_its_status(
    client: httpx.AsyncClient, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = await ask(client, "manifest", question(image(10), **fields))

    assert (answer["allowed"], answer["status"]) == (False, status)
    assert [error["code"] for error in answer["errors"]] == [code]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no token"),
        pytest.param({"Authorization": "Bearer " + "0" * 16}, id="an unknown token"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer"}, id="an empty token"),
    ],
)
@pytest.mark.parametrize("repository", [APP, "team-b/app", "nonsense"])
async def test_unauthenticated_caller_always_gets_the_same_answer(
    client: httpx.AsyncClient, headers: dict[str, str], repository: str
) -> None:
    body = {"repository": repository, "declaredSize": 2048}

    answer = await client.post("/v1/push/blob", json=body, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {
        "errors": [{"code": "UNAUTHORIZED", "message": "a known bearer token is required"}]
    }


async def test_caller_without_push_right_learns_no_limit(client: httpx.AsyncClient) -> None:
    body = {"repository": "team-b/app", "declaredSize": 2**60}

    answer = await client.post("/v1/push/blob", json=body, headers=BEARER)

    assert answer.status_code == 403
    assert answer.json()["errors"] == [
        {"code": "DENIED", "message": "ci may not push to team-b/app"}
    ]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"repository": APP}, id="neither manifest nor digest"),
        pytest.param({"repository": APP, "manifest": "e30="}, id="no reference"),
        pytest.param(
            {"repository": APP, "reference": "v1", "manifest": "e30=", "digest": digest_of(b"")},
            id="both",
        ),
        pytest.param({"repository": APP, "reference": "v1", "manifest": 5}, id="a number"),
    ],
)
async def test_incomplete_question_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    assert (await client.post("/v1/push/manifest", json=body, headers=BEARER)).status_code == 400


@pytest.mark.parametrize("token", [TOKEN, "unknown-but-someones"])
async def test_tokens_are_not_logged(
    client: httpx.AsyncClient, pushes: Pushes, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with caplog.at_level(logging.DEBUG):
        for body in (BLOB, {**BLOB, "declaredSize": 2048}, {}, {"repository": token}):
            await client.post("/v1/push/blob", json=body, headers=headers)
        pushes.state.reasons = ["imagestreams: not loaded"]
        await client.post("/v1/push/blob", json=BLOB, headers=headers)

    written = [str(vars(record)) for record in caplog.records if record.name != "httpx"]
    assert not any(token in text for text in written)


async def test_unloaded_state_answers_503_with_retry_after(
    client: httpx.AsyncClient, pushes: Pushes
) -> None:
    pushes.state.reasons = ["imagestreams: not loaded"]

    answer = await client.post("/v1/push/blob", json=BLOB, headers=BEARER)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    [error] = answer.json()["errors"]
    assert error["code"] == "UNAVAILABLE"
    assert "imagestreams: not loaded" in error["message"]


async def test_the_openapi_document_describes_questions_and_answers(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()

    assert set(document["paths"]) == {f"/v1/push/{name}" for name in ("blob", "manifest", "cancel")}
    post = document["paths"]["/v1/push/manifest"]["post"]
    asked = post["requestBody"]["content"]["application/json"]["schema"]
    assert {"repository", "reference", "mediaType", "manifest", "digest"} <= set(
        asked["properties"]
    )
    answer = document["components"]["schemas"]["ManifestAnswer"]["properties"]
    assert {"allowed", "status", "errors", "violations", "size", "reservation"} <= set(answer)
