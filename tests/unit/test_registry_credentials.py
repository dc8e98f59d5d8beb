"""Credentials of the registry client, and the hosts to which they are sent."""

import httpx
import pytest

from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.credentials import Credentials
from tests.unit.test_registry_client import BASIC, DIGEST, ORIGIN, USER, client, manifest_answer


async def test_basic_credentials_follow_the_first_challenge() -> None:
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization", ""))
        if not sent[-1]:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        return manifest_answer(request)

    subject = client(handler, USER)
    await subject.manifest("team-a/app", DIGEST)
    await subject.manifest("team-a/app", DIGEST)

    assert sent == ["", BASIC, BASIC]


async def test_a_token_is_fetched_for_the_scope_and_kept_until_it_expires() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            assert request.headers["authorization"] == BASIC
            asked.append(f"{request.url.params['service']} {request.url.params['scope']}")
            return httpx.Response(200, json={"token": "t0k3n", "expires_in": 300})
        if request.headers.get("authorization") != "Bearer t0k3n":
            challenge = f'Bearer realm="{ORIGIN}/token",service="reg",scope="x"'
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        return manifest_answer(request)

    subject = client(handler, USER)
    for _ in range(3):
        assert await subject.manifest("team-a/app", DIGEST) is not None

    assert asked == ["reg repository:team-a/app:pull"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"token": {}}', id="no text"),
        pytest.param(b"{}", id="no token"),
        pytest.param(b'{"token": "a", "expires_in": [1]}', id="no number"),
        pytest.param(b'{"token": "a", "expires_in": %b}' % (b"9" * 400), id="a huge number"),
    ],
)
async def test_wrong_answer_of_a_token_service_is_named(answer: bytes) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, content=answer)
        challenge = f'Bearer realm="{ORIGIN}/token",service="reg"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    with pytest.raises(RegistryUnavailableError, match="/token: "):
        await client(handler, USER).manifest("team-a/app", DIGEST)


async def test_an_identity_token_is_exchanged() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            form = dict(httpx.QueryParams(request.content.decode()))
            assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", "identity")
            return httpx.Response(200, json={"access_token": "t0k3n"})
        if request.headers.get("authorization") != "Bearer t0k3n":
            challenge = f'Bearer realm="{ORIGIN}/token",service="reg"'
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        return manifest_answer(request)

    subject = client(handler, Credentials(identity_token="identity"))

    assert await subject.manifest("team-a/app", DIGEST) is not None


@pytest.mark.parametrize(
    ("realm", "problem"),
    [
        pytest.param("https://elsewhere.example.com/token", "allow-list", id="another host"),
        pytest.param("http://10.1.2.3:5000/token", "without TLS", id="no TLS"),
    ],
)
async def test_credentials_are_not_sent_to_a_foreign_realm(realm: str, problem: str) -> None:
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization", ""))
        return httpx.Response(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})

    transport = httpx.MockTransport(handler)
    subject = RegistryClient("https://10.1.2.3:5000", USER, transport=transport)
    with pytest.raises(RegistryUnavailableError, match=problem):
        await subject.manifest("team-a/app", DIGEST)
    assert sent == [""]


def test_credentials_are_not_printed() -> None:
    printed = repr(Credentials("user", "p4ssword", "1dentity", "t0k3n"))

    assert "user" in printed
    assert not any(secret in printed for secret in ("p4ssword", "1dentity", "t0k3n"))
