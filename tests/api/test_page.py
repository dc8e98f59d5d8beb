"""The page of the real command over TLS: sign-in, and the headers and content of answers."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.page.session import COOKIE
from tests.api.service import Running, serve
from tests.patience import PATIENCE

TOKEN = "0123456789abcdef"
TENANT = "fedcba9876543210"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


def token_file(folder: Path) -> str:
    path = folder / "tokens"
    path.write_text(f"{TOKEN} admin *\n{TENANT} tenant team-b\n")
    return str(path)


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    flags = ("--page", "on", "--push-tokens", token_file(tmp_path))
    async with serve(tmp_path, *flags) as service:
        yield service


async def sign_in(
    client: httpx.AsyncClient, token: str = TOKEN, path: str = "/page", **headers: str
) -> httpx.Response:
    form = {"token": token, "next": path}
    return await client.post("/page/sign-in", data=form, headers=headers)


async def test_a_bearer_token_is_enough(running: Running) -> None:
    client = running.client
    for path, words in {
        "/page": "team-full",
        "/page?show=high&q=TEAM": "team-full",
        "/page/namespaces/team-a": "ResourceQuota image-registry-quota",
        "/page/namespaces/team-a/streams/app": "alauda.io/image-tags",
        "/page/refusals": "Nothing was refused.",
    }.items():
        answer = await client.get(path, headers=BEARER)
        assert answer.status_code == 200, path
        assert words in answer.text, path
        assert HEADERS.items() <= dict(answer.headers).items(), path
        assert "set-cookie" not in answer.headers


async def test_unauthenticated_reader_is_asked_for_a_token(running: Running) -> None:
    for path in ("/page", "/page/namespaces/team-a", "/page/namespaces/none", "/page/x/y/z"):
        for headers in (
            {},
            {"Authorization": "Bearer wrong-token-01234"},
            {"Cookie": f"{COOKIE}=x"},
        ):
            answer = await running.client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "Bearer token" in answer.text
            assert "team-full" not in answer.text
            assert HEADERS.items() <= dict(answer.headers).items()


async def test_signing_in_starts_a_session_that_signing_out_ends(running: Running) -> None:
    client = running.client
    answer = await sign_in(client, path="/page/refusals?q=a")
    assert (answer.status_code, answer.headers["location"]) == (303, "/page/refusals?q=a")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(
        rf"{COOKIE}=[^;]+; HttpOnly; Max-Age=3600; Path=/; SameSite=strict; Secure", cookie
    )
    assert TOKEN not in cookie
    seen = await client.get("/page")
    assert seen.status_code == 200
    assert "Sign out" in seen.text

    ended = await client.post("/page/sign-out")
    assert (ended.status_code, ended.headers["location"]) == (303, "/page")
    assert (await client.get("/page")).status_code == 401


async def test_the_answer_to_a_form_can_be_loaded_again(running: Running) -> None:
    for path in ("/page/sign-in", "/page/sign-out"):
        answer = await running.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/page")


async def test_a_token_that_is_withdrawn_ends_its_session(running: Running, tmp_path: Path) -> None:
    await sign_in(running.client)
    assert (await running.client.get("/page")).status_code == 200
    (tmp_path / "tokens").write_text(f"{TENANT} tenant team-b\n")

    assert (await running.client.get("/page")).status_code == 401


async def test_redirects_stay_on_this_site(running: Running) -> None:
    for path in ("https://evil.example.com/", "//evil.example.com", "/metrics", "/page/\\x"):
        answer = await sign_in(running.client, path=path)
        assert answer.headers["location"] == "/page"


@pytest.mark.parametrize("path", ["/page/sign-in", "/page/sign-out"])
async def test_cross_site_forms_are_refused(running: Running, path: str) -> None:
    await sign_in(running.client)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.com"}):
        answer = await running.client.post(path, data={"token": TOKEN}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert (await running.client.get("/page")).status_code == 200


async def test_forbidden_namespace_looks_missing(running: Running) -> None:
    tenant = {"Authorization": f"Bearer {TENANT}"}
    overview = await running.client.get("/page", headers=tenant)
    assert "team-b" in overview.text
    assert "team-a" not in overview.text
    answers = [
        await running.client.get(path, headers=tenant)
        for path in (
            "/page/namespaces/team-a",
            "/page/namespaces/team-a/streams/app",
            "/page/namespaces/none",
            "/page/namespaces/team-b/streams/none",
            "/page/none",
        )
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


async def test_a_refused_push_is_seen(running: Running) -> None:
    question = {"repository": "team-a/app", "declaredSize": 1200 * 2**20}
    await running.client.post("/v1/push/blob", json=question, headers=BEARER)
    await running.client.post("/v1/push/blob", json=question, headers=BEARER)
    for path in (
        "/page/refusals",
        "/page/namespaces/team-a",
        "/page/namespaces/team-a/streams/app",
    ):
        answer = await running.client.get(path, headers=BEARER)
        assert "1.17Gi &gt; 1Gi" in answer.text, path
    overview = await running.client.get("/page", headers=BEARER)
    assert "1 different refusal<" in overview.text


async def test_the_style_sheet_may_be_kept(running: Running) -> None:
    page = (await running.client.get("/page")).text
    for link in re.findall(r'(?:href|src)="(/page/[a-z.]+\?v=[0-9a-f]+)"', page):
        asset = await running.client.get(link)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"
    assert "<style" not in page
    assert "<script" not in page
    assert " style=" not in page


async def test_a_form_that_is_too_large_is_not_read(running: Running) -> None:
    answer = await sign_in(running.client, token="x" * 100_000)
    assert answer.status_code == 413


async def test_tokens_are_not_logged(tmp_path: Path) -> None:
    flags = ("--page", "on", "--push-tokens", token_file(tmp_path), "--log-level", "debug")
    async with serve(tmp_path, *flags) as service:
        await sign_in(service.client)
        await sign_in(service.client, token="wrong-token-01234")
        await service.client.get("/page")
        code, log = await service.stop()

    assert code == 0
    assert '"signed in"' in log
    assert '"sign-in refused"' in log
    assert TOKEN not in log
    assert "wrong-token" not in log


async def test_page_is_off_by_default(tmp_path: Path) -> None:
    async with serve(tmp_path, "--push-tokens", token_file(tmp_path)) as service:
        for path in ("/page", "/page/style.css", "/page/namespaces/team-a"):
            assert (await service.client.get(path, headers=BEARER)).status_code == 404
        assert "/page" not in (await service.client.get("/openapi.json")).text


async def test_page_without_any_reader_is_an_error() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "serve", "--port", "0", "--page", "on",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, error = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert process.returncode == 3
    assert b"name a file of tokens with --push-tokens" in error
