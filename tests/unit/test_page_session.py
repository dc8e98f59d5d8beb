"""Sessions, and the redirect after signing in."""

import secrets
import time

import pytest
from starlette.requests import Request

from app.page.security import is_own_form, own_path
from app.page.session import LIFE, MAX_COOKIE, Sessions, TokenTooLongError

KEY = b"-----BEGIN PRIVATE KEY-----\nnot really one"
TOKEN = "0123456789abcdef"


def sessions(key: bytes = KEY) -> Sessions:
    return Sessions(lambda: key)


def test_replicas_with_one_key_share_sessions() -> None:
    assert sessions().token(sessions().start(TOKEN)) == TOKEN


def test_the_token_cannot_be_read_from_the_cookie() -> None:
    cookie = sessions().start(TOKEN)

    assert TOKEN not in cookie
    assert cookie != sessions().start(TOKEN)


def test_another_key_ends_all_sessions() -> None:
    assert sessions(b"rotated").token(sessions().start(TOKEN)) is None


@pytest.mark.parametrize(("age", "known"), [(LIFE - 5, True), (LIFE + 5, False)])
def test_a_session_ends_an_hour_after_signing_in(
    monkeypatch: pytest.MonkeyPatch, age: int, known: bool
) -> None:
    cookie = sessions().start(TOKEN)
    now = time.time() + age
    monkeypatch.setattr(time, "time", lambda: now)

    assert (sessions().token(cookie) is not None) == known


@pytest.mark.parametrize("change", ["", "x", "\udcff", "gAAAAA==", "A" * 5000])
def test_foreign_cookies_have_no_session(change: str) -> None:
    assert sessions().token(change) is None


def test_tampered_cookie_has_no_session() -> None:
    cookie = sessions().start(TOKEN)
    middle = len(cookie) // 2
    other = "B" if cookie[middle] == "A" else "A"

    assert sessions().token(cookie[:middle] + other + cookie[middle + 1 :]) is None
    assert sessions().token(cookie[:-8]) is None


def test_long_identity_token_fits_into_a_cookie() -> None:
    token = secrets.token_urlsafe(2850)
    cookie = sessions().start(token)

    assert len(cookie) <= MAX_COOKIE
    assert sessions().token(cookie) == token


def test_oversized_token_is_refused() -> None:
    with pytest.raises(TokenTooLongError, match="4800 characters is too long for a cookie"):
        sessions().start(secrets.token_urlsafe(3600))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("/page", "/page", id="the overview"),
        pytest.param("/page/namespaces/a?q=b&page=2", "/page/namespaces/a?q=b&page=2", id="deep"),
        pytest.param("/page/refusals?q=a%2F%2Fb//c", "/page/refusals?q=a%2F%2Fb//c", id="a query"),
        pytest.param("", "/page", id="nothing"),
        pytest.param("/pages", "/page", id="another path"),
        pytest.param("/metrics", "/page", id="another part of the service"),
        pytest.param("https://evil.example.com/page", "/page", id="another site"),
        pytest.param("//evil.example.com/page", "/page", id="another site, no scheme"),
        pytest.param("/page//evil.example.com", "/page", id="two slashes"),
        pytest.param("/page/\\evil.example.com", "/page", id="a backslash"),
        pytest.param("/page\r\nSet-Cookie: a=b", "/page", id="a second header"),
        pytest.param("/page/\tx", "/page", id="a tab"),
        pytest.param("/page?é", "/page", id="not ASCII"),
    ],
)
def test_sign_in_redirects_stay_on_this_site(text: str, path: str) -> None:
    assert own_path(text) == path


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        pytest.param({}, True, id="curl"),
        pytest.param({"sec-fetch-site": "same-origin"}, True, id="the form itself"),
        pytest.param({"sec-fetch-site": "none"}, True, id="typed by hand"),
        pytest.param({"sec-fetch-site": "same-site"}, False, id="a neighbour"),
        pytest.param({"sec-fetch-site": "cross-site"}, False, id="another site"),
        pytest.param(
            {"sec-fetch-site": "cross-site", "origin": "https://page:8443"}, False, id="both"
        ),
        pytest.param({"origin": "https://page:8443"}, True, id="an older browser"),
        pytest.param({"origin": "https://evil"}, False, id="an older browser, another site"),
        pytest.param({"origin": "null"}, False, id="a sandboxed frame"),
    ],
)
def test_forms_of_other_sites_are_refused(headers: dict[str, str], own: bool) -> None:
    sent = {"host": "page:8443", **headers}
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]

    assert is_own_form(Request({"type": "http", "headers": raw})) == own
