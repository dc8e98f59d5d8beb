"""`/v1/push/authorize`: what a proxy is told before it passes a request on."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.api.authorize import AuthorizeApi
from app.auth.authentication import StaticTokens
from app.model.limits import NamespaceLimits
from tests.unit.pushes import Pushes
from tests.unit.stores import limit, quota

TOKEN = "0123456789abcdef"
BEARER = f"Bearer {TOKEN}"
BASIC = "Basic " + base64.b64encode(f"ci:{TOKEN}".encode()).decode()
UPLOADS = "/v2/team-a/app/blobs/uploads/"
MANIFEST = "/v2/team-a/app/manifests/v1"
PATH = "/v1/push/authorize"


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service in whose namespaces nothing more fits, and no blob over 1Ki."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} ci team-a\n")
    pushes = Pushes(NamespaceLimits(image_size=limit("1Ki"), quotas=(quota(image_tags=0),)))
    app = FastAPI()
    app.include_router(AuthorizeApi(pushes.checks, StaticTokens(tokens)).router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "uri", "length", "authorization", "status", "said"),
    [
        pytest.param("GET", "/v2/", "", "", 200, "", id="a read is the registry's business"),
        pytest.param("DELETE", MANIFEST, "", "", 200, "", id="a deletion, too"),
        pytest.param("POST", UPLOADS, "0", BEARER, 200, "", id="an upload starts"),
        pytest.param("PUT", f"{UPLOADS}1?digest=x", "1024", BASIC, 200, "", id="a blob that fits"),
        pytest.param("PATCH", f"{UPLOADS}1", "1025", BASIC, 403, "1025 >", id="a blob too large"),
        pytest.param("PATCH", f"{UPLOADS}1", "", BEARER, 200, "", id="nobody knows how large"),
        pytest.param("PUT", MANIFEST, "500", BEARER, 403, "exceeded quota", id="one tag too many"),
        pytest.param("PUT", MANIFEST, "500", "", 401, "token", id="a stranger"),
        pytest.param("PUT", MANIFEST, "500", "Basic !", 401, "token", id="no credentials at all"),
        pytest.param(
            "PUT", "/v2/team-b/app/manifests/v1", "500", BEARER, 403, "may not push", id="elsewhere"
        ),
        pytest.param("PUT", "/v2/app/manifests/v1", "500", BEARER, 403, "form", id="no namespace"),
        pytest.param("PUT", "/elsewhere", "500", BEARER, 403, "passed on", id="no write of a push"),
    ],
)
async def test_a_request_is_decided_by_its_head(
    client: httpx.AsyncClient,
    method: str,
    uri: str,
    length: str,
    authorization: str,
    status: int,
    said: str,
) -> None:
    who = {"Authorization": authorization} if authorization else {}
    size = {"X-Original-Content-Length": length} if length else {}
    by_headers = {"X-Original-Method": method, "X-Original-URI": uri, **size, **who}

    for answer in (
        await client.get(PATH, headers=by_headers),
        await client.request(method, PATH + uri, headers={**size, **who}),
    ):
        assert answer.status_code == status
        assert said in answer.text
        if status != 200:
            assert json.loads(answer.headers["x-registry-error"]) == answer.json()
