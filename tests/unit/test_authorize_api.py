"""`/v1/push/authorize`: the answers to a proxy before it passes a request on."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.api.authorize import AuthorizeApi
from app.auth.authentication import StaticTokens, Subject
from app.config.setting_types import PushProxy
from app.model.limits import NamespaceLimits
from tests.patience import PATIENCE
from tests.unit.pushes import Pushes
from tests.unit.stores import limit, quota

TOKEN = "0123456789abcdef"
BEARER = f"Bearer {TOKEN}"
BASIC = "Basic " + base64.b64encode(f"ci:{TOKEN}".encode()).decode()
UPLOADS = "/v2/team-a/app/blobs/uploads/"
MANIFEST = "/v2/team-a/app/manifests/v1"
PATH = "/v1/push/authorize"
Pairs = list[tuple[str, str]]
WHO = [("Authorization", BEARER)]
METHOD = ("X-Original-Method", "POST")
URI = ("X-Original-URI", UPLOADS)
LENGTH = ("X-Original-Content-Length", "1")
SHAPES: dict[PushProxy, tuple[str, ...]] = {
    "nginx": ("X-Original-Method", "X-Original-URI"),
    "haproxy": ("X-Original-Method", "X-Original-URI"),
    "traefik": ("X-Forwarded-Method", "X-Forwarded-Uri"),
    "caddy": ("X-Forwarded-Method", "X-Forwarded-Uri"),
    "envoy": (),
}
PROXIES = tuple(SHAPES)


@dataclass(frozen=True)
class Question:
    """The request of a proxy to the service."""

    method: str
    path: str
    headers: Pairs


Ask = Callable[[PushProxy, Question, Pairs], Awaitable[httpx.Response]]


def shaped(proxy: PushProxy, method: str, uri: str, more: Pairs | None = None) -> Question:
    """The request of `proxy` about a client's request. `more`: headers that the proxy adds."""
    names = SHAPES[proxy]
    if not names:
        return Question(method, PATH + uri, more or [])
    return Question("GET", PATH, [*zip(names, (method, uri), strict=True), *(more or [])])


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Sends a proxy's request to a service whose limits are no tag, and 1Ki for each image."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} ci team-a\n")
    pushes = Pushes(NamespaceLimits(image_size=limit("1Ki"), quotas=(quota(image_tags=0),)))

    async def ask(proxy: PushProxy, question: Question, client_headers: Pairs) -> httpx.Response:
        app = FastAPI()
        api = AuthorizeApi(pushes.checks, StaticTokens(tokens), proxy, max_concurrent=9)
        app.include_router(api.router())
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = [*question.headers, *client_headers]
            encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            return await client.request(question.method, question.path, headers=encoded)

    return ask


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
        pytest.param("PUT", MANIFEST, "500", "Basic é", 401, "token", id="no ASCII credentials"),
        pytest.param(
            "PUT", "/v2/team-b/app/manifests/v1", "500", BEARER, 403, "may not push", id="elsewhere"
        ),
        pytest.param("PUT", "/v2/app/manifests/v1", "500", BEARER, 403, "form", id="no namespace"),
        pytest.param("PUT", "/elsewhere", "500", BEARER, 403, "passed on", id="no write of a push"),
    ],
)
async def test_request_is_decided_by_its_headers(
    ask: Ask,
    method: str,
    uri: str,
    length: str,
    authorization: str,
    status: int,
    said: str,
) -> None:
    who = [("Authorization", authorization)] if authorization else []
    size = [("X-Original-Content-Length", length)] if length else []

    answer = await ask("nginx", shaped("nginx", method, uri, size), who)

    assert answer.status_code == status
    assert said in answer.text
    if status != 200:
        assert json.loads(answer.headers["x-registry-error"]) == answer.json()


@pytest.mark.parametrize("proxy", PROXIES)
async def test_each_proxy_names_the_request_in_its_own_way(ask: Ask, proxy: PushProxy) -> None:
    read = await ask(proxy, shaped(proxy, "GET", "/v2/"), [])
    written = await ask(proxy, shaped(proxy, "PUT", MANIFEST), WHO)

    assert (read.status_code, written.status_code) == (200, 403)
    assert "exceeded quota" in written.text


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("claimed", PROXIES)
async def test_client_cannot_override_the_request_of_its_proxy(
    ask: Ask, proxy: PushProxy, claimed: PushProxy
) -> None:
    """The client sends the headers of `claimed` itself, and the proxy passes them on."""
    harmless = shaped(claimed, "GET", "/v2/").headers

    answer = await ask(proxy, shaped(proxy, "PUT", MANIFEST), [*harmless, *WHO])

    assert answer.status_code == 403
    if harmless:
        assert "not decided: " in answer.text


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("asked", PROXIES)
async def test_question_of_another_proxy_is_refused(
    ask: Ask, proxy: PushProxy, asked: PushProxy
) -> None:
    answer = await ask(proxy, shaped(asked, "GET", "/v2/"), WHO)

    assert answer.status_code == (200 if SHAPES[proxy] == SHAPES[asked] else 403)


@pytest.mark.parametrize(
    ("proxy", "headers", "said"),
    [
        pytest.param("off", [METHOD, URI], "set push-proxy", id="no proxy is configured"),
        pytest.param("nginx", [], "x-original-method is missing", id="no header"),
        pytest.param("nginx", [URI], "x-original-method is missing", id="no method"),
        pytest.param("nginx", [METHOD], "x-original-uri is missing", id="no path"),
        pytest.param("nginx", [METHOD, METHOD, URI], "2 times", id="two methods"),
        pytest.param("nginx", [METHOD, URI, URI], "2 times", id="two paths"),
        pytest.param("nginx", [METHOD, URI, LENGTH, LENGTH], "2 times", id="two lengths"),
        pytest.param("nginx", [METHOD, URI, *WHO], "2 times", id="two tokens"),
        pytest.param(
            "nginx", [METHOD, URI, ("X-Original-Content-Length", "1k")], "not a number", id="1k"
        ),
        pytest.param(
            "nginx",
            [METHOD, URI, ("X-Original-Content-Length", "9" * 5000)],
            "> 1Ki)",
            id="a length of thousands of digits",
        ),
        pytest.param("nginx", [METHOD, ("X-Original-URI", "v2/")], "no path", id="no slash"),
        pytest.param("envoy", [], "names no path", id="Envoy without a path"),
    ],
)
async def test_ambiguous_question_is_refused(
    ask: Ask, proxy: PushProxy, headers: Pairs, said: str
) -> None:
    answer = await ask(proxy, Question("GET", PATH, headers), WHO)

    assert answer.status_code == 403
    assert said in answer.text


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param("", 401, id="no credentials"),
        pytest.param(BASIC, 200, id="the token as a password"),
        pytest.param(BEARER, 200, id="the token itself"),
        pytest.param("Basic " + base64.b64encode(b"ci:wrong").decode(), 401, id="a wrong one"),
    ],
)
async def test_a_login_tells_whether_the_password_is_right(
    tmp_path: Path, authorization: str, status: int
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} ci team-a\n")
    app = FastAPI()
    checks = Pushes(NamespaceLimits()).checks
    api = AuthorizeApi(checks, StaticTokens(tokens), "nginx", max_concurrent=9)
    app.include_router(api.router())
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
    headers = {"Authorization": authorization} if authorization else {}

    answer = await client.get("/v1/push/login", headers=headers)

    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Basic realm="registry-admission"'


async def test_questions_share_a_bounded_number_of_places() -> None:
    """Any client can send tokens, and each token causes a request to the API server."""

    class Slow(StaticTokens):
        def __init__(self) -> None:
            self.asked = 0
            self.go_on = asyncio.Event()

        async def authenticate(self, token: str) -> Subject | None:
            self.asked += 1
            await self.go_on.wait()
            return None

    slow, app = Slow(), FastAPI()
    api = AuthorizeApi(Pushes(NamespaceLimits()).checks, slow, "nginx", max_concurrent=2)
    app.include_router(api.router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        asking = [
            asyncio.create_task(client.get("/v1/push/login", headers={"Authorization": BEARER}))
            for _ in range(5)
        ]
        done, _ = await asyncio.wait(asking, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        slow.go_on.set()
        statuses = sorted(answer.status_code for answer in await asyncio.gather(*asking))

    assert all(one.result().status_code == 429 for one in done)
    assert slow.asked == 2
    assert statuses == [401, 401, 429, 429, 429]
