"""Users who may push, by a file of tokens."""

import os
from pathlib import Path

import pytest

from app.auth.authentication import StaticTokens, TokenFileError, Visible
from app.registry.names import Repository

TOKEN = "0123456789abcdef"
OTHER = "fedcba9876543210"
APP = Repository("team-a", "app")


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# pushers\n\n{TOKEN} ci team-a,team-b-*\n{OTHER} admin *\n")
    return path


@pytest.mark.parametrize(
    ("token", "name", "allowed"),
    [
        pytest.param(TOKEN, "ci", {"team-a", "team-b-1"}, id="patterns"),
        pytest.param(OTHER, "admin", {"team-a", "team-b", "team-b-1"}, id="every namespace"),
    ],
)
async def test_token_may_push_to_its_namespaces(
    tokens: Path, token: str, name: str, allowed: set[str]
) -> None:
    subject = await StaticTokens(tokens).authenticate(token)

    assert subject is not None
    assert subject.name == name
    assert {
        namespace
        for namespace in ("team-a", "team-b", "team-b-1")
        if await StaticTokens(tokens).may_push(subject, Repository(namespace, "app"))
    } == allowed


@pytest.mark.parametrize("token", ["", "0" * 16, TOKEN + "0", TOKEN[:-1], "\udcff"])
async def test_unknown_tokens_are_refused(tokens: Path, token: str) -> None:
    assert await StaticTokens(tokens).authenticate(token) is None


@pytest.mark.parametrize(
    ("change", "known"),
    [
        pytest.param(f"{OTHER} admin *\n", False, id="a token that is taken out"),
        pytest.param(f"{TOKEN} ci *\n", True, id="a token that stays"),
        pytest.param(f"{TOKEN} ci\n", False, id="a broken file lets nobody in"),
        pytest.param(f"{TOKEN} ci *\n\udcff", False, id="a file that is not UTF-8 lets nobody in"),
        pytest.param(None, False, id="a file that is gone lets nobody in"),
    ],
)
async def test_changed_token_file_takes_effect_at_once(
    tokens: Path, change: str | None, known: bool
) -> None:
    subject = StaticTokens(tokens)
    rewrite(tokens, change)

    assert (await subject.authenticate(TOKEN) is not None) == known


def rewrite(path: Path, content: str | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(os.fsencode(content))
        os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(f"{TOKEN} ci", r"tokens:1: not <token> <subject>", id="no namespaces"),
        pytest.param("short ci *", r"tokens:1: a token has 16 to 4096", id="a short token"),
        pytest.param("\udcff ci *", r"tokens: not UTF-8 text", id="not UTF-8"),
    ],
)
def test_invalid_token_file_is_named_at_start(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "tokens").write_bytes(os.fsencode(line))

    with pytest.raises(TokenFileError, match=message):
        StaticTokens(tmp_path / "tokens")


async def test_token_sees_its_namespaces(tokens: Path) -> None:
    access = StaticTokens(tokens)
    subject = await access.authenticate(TOKEN)
    assert subject is not None

    found = await access.visible(subject, ["team-a", "team-b", "team-b-1"])
    assert found == Visible(frozenset({"team-a", "team-b-1"}))


def test_a_client_certificate_has_the_namespaces_of_its_name_in_the_file(tokens: Path) -> None:
    known, stranger = (StaticTokens(tokens).certified(name, ()) for name in ("ci", "nobody"))

    assert known is not None
    assert set(known.namespaces) == {"team-a", "team-b-*"}
    assert stranger is None
