"""Who may push: by a file of tokens, or by the API server's word."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from app.admission.review import UserInfo
from app.auth.authentication import StaticTokens, Subject, TokenFileError, Visible
from app.auth.reviews import KubernetesAccess
from app.cluster.api import ApiError
from app.quota.state import StateUnavailableError
from app.registry.names import Repository
from tests.unit.stores import DOMAIN

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


class FakeApi:
    """Knows one token, who may push what, and which namespaces may be seen."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.allowed = True
        self.seen: set[str] = set()
        self.fails = False

    async def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        self.asked.append({"path": path, **content})
        if self.fails:
            raise ApiError(500, "etcd is gone")
        if content["kind"] == "TokenReview":
            user = {"username": "ci", "uid": "u1", "groups": ["g"], "extra": {"scopes": ["s"]}}
            known = content["spec"]["token"] == TOKEN
            return {"status": {"authenticated": known, "user": user}}
        attributes = content["spec"]["resourceAttributes"]
        if attributes["verb"] == "get":
            return {"status": {"allowed": attributes["namespace"] in self.seen}}
        return {"status": {"allowed": self.allowed}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_access_review_uses_the_registrys_push_right() -> None:
    api = FakeApi()
    access = KubernetesAccess(api, DOMAIN)

    subject = await access.authenticate(TOKEN)
    assert subject is not None
    assert await access.may_push(subject, APP)

    assert api.asked == [
        {
            "path": "/apis/authentication.k8s.io/v1/tokenreviews",
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": TOKEN},
        },
        {
            "path": "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "ci",
                "uid": "u1",
                "groups": ["g"],
                "extra": {"scopes": ["s"]},
                "resourceAttributes": {
                    "namespace": "team-a",
                    "verb": "update",
                    "group": "image.alauda.io",
                    "resource": "imagestreams",
                    "subresource": "layers",
                    "name": "app",
                },
            },
        },
    ]


async def test_token_unknown_to_the_api_server_is_refused() -> None:
    assert await KubernetesAccess(FakeApi(), DOMAIN).authenticate(OTHER) is None


async def test_access_review_is_cached_for_ten_seconds() -> None:
    api, clock = FakeApi(), Clock()
    access = KubernetesAccess(api, DOMAIN, clock)
    subject = await access.authenticate(TOKEN)
    assert subject is not None
    await access.may_push(subject, APP)
    api.allowed = False

    clock.now = 9.9
    assert await access.authenticate(TOKEN) == subject
    assert await access.may_push(subject, APP)
    assert len(api.asked) == 2
    assert not await access.may_push(subject, Repository("team-b", "app"))
    clock.now = 10.0
    assert not await access.may_push(subject, APP)


async def test_failed_review_refuses_and_is_not_cached() -> None:
    api = FakeApi()
    access = KubernetesAccess(api, DOMAIN)
    api.fails = True

    with pytest.raises(StateUnavailableError, match="TokenReview failed: etcd is gone"):
        await access.authenticate(TOKEN)
    api.fails = False
    assert await access.authenticate(TOKEN) is not None


def test_a_client_certificate_names_a_user_and_his_groups() -> None:
    subject = KubernetesAccess(FakeApi(), DOMAIN).certified("registry", ("ops",))

    assert (subject.name, subject.groups) == ("registry", ("ops", "system:authenticated"))


def test_a_client_certificate_has_the_namespaces_of_its_name_in_the_file(tokens: Path) -> None:
    known, stranger = (StaticTokens(tokens).certified(name, ()) for name in ("ci", "nobody"))

    assert known is not None
    assert set(known.namespaces) == {"team-a", "team-b-*"}
    assert stranger is None


ADA = Subject("ada")
NAMES = [f"team-{number}" for number in range(450)]


async def test_cluster_wide_right_takes_one_review() -> None:
    api = FakeApi()
    api.seen = {""}
    access = KubernetesAccess(api, DOMAIN)

    assert await access.visible(ADA, NAMES) == Visible(frozenset(NAMES))
    assert [asked["spec"]["resourceAttributes"] for asked in api.asked] == [
        {"group": "image.alauda.io", "resource": "imagestreams", "namespace": "", "verb": "get"}
    ]


async def test_other_users_are_reviewed_for_each_namespace_in_batches() -> None:
    api = FakeApi()
    api.seen = {"team-7", "team-230", "team-449"}
    access = KubernetesAccess(api, DOMAIN)

    assert await access.visible(ADA, NAMES) == Visible(frozenset({"team-7"}), 250)
    assert len(api.asked) == 1 + 200
    assert await access.visible(ADA, NAMES) == Visible(frozenset({"team-7", "team-230"}), 50)
    assert await access.visible(ADA, NAMES) == Visible(frozenset(api.seen))
    assert len(api.asked) == 1 + 450
    assert await access.visible(Subject("eve"), NAMES[:1]) == Visible(frozenset())


async def test_right_to_read_is_cached_for_a_minute() -> None:
    api, clock = FakeApi(), Clock()
    api.seen = {"team-a"}
    access = KubernetesAccess(api, DOMAIN, clock)
    assert await access.visible(ADA, ["team-a"]) == Visible(frozenset({"team-a"}))
    api.seen = set()

    clock.now = 59.9
    assert await access.visible(ADA, ["team-a"]) == Visible(frozenset({"team-a"}))
    clock.now = 60.0
    assert await access.visible(ADA, ["team-a"]) == Visible(frozenset())


async def test_failed_review_shows_nothing() -> None:
    api = FakeApi()
    api.fails = True

    with pytest.raises(StateUnavailableError, match="SubjectAccessReview failed"):
        await KubernetesAccess(api, DOMAIN).visible(ADA, ["team-a"])


async def test_one_review_asks_about_20_namespaces_at_most() -> None:
    api = FakeApi()
    api.seen = {"team-7", "team-100"}
    access = KubernetesAccess(api, DOMAIN)
    user = UserInfo(username="ada", uid="1", groups=["g"], extra={"scopes": ["s"]})

    assert await access.seen_by(user, {"team-7", "team-8"}) == {"team-7"}
    asked = api.asked[-1]["spec"]
    assert (asked["user"], asked["uid"]) == ("ada", "1")
    assert (asked["groups"], asked["extra"]) == (["g"], {"scopes": ["s"]})
    assert {one["spec"]["resourceAttributes"]["verb"] for one in api.asked} == {"get"}
    api.asked.clear()

    await access.seen_by(user, NAMES)

    assert len(api.asked) == 20


async def test_token_reviews_are_bounded() -> None:
    """Anybody can send tokens; watches and ledgers need the same connections."""

    class Slow(FakeApi):
        running = most = 0

        async def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            return await super().create(path, content)

    api = Slow()
    access = KubernetesAccess(api, DOMAIN)

    await asyncio.gather(*(access.authenticate(f"unknown-{number}") for number in range(200)))

    assert len(api.asked) == 200
    assert api.most == 32
