"""Users who may push, by the API server's TokenReview and SubjectAccessReview."""

import asyncio
from typing import Any

import pytest

from app.admission.review import UserInfo
from app.auth.authentication import Subject, Visible
from app.auth.reviews import KubernetesAccess
from app.cluster.api import ApiError
from app.quota.state import StateUnavailableError
from app.registry.names import Repository
from tests.unit.stores import DOMAIN
from tests.unit.test_push_authentication import APP, OTHER, TOKEN


class FakeApi:
    """An API server that knows one token and the rights of its user."""

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
    """Any client can send tokens. Watches and ledgers need the same connections."""

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


def test_a_client_certificate_names_a_user_and_his_groups() -> None:
    subject = KubernetesAccess(FakeApi(), DOMAIN).certified("registry", ("ops",))

    assert (subject.name, subject.groups) == ("registry", ("ops", "system:authenticated"))


async def test_failed_review_of_a_namespace_ends_those_of_the_others() -> None:
    api = FakeApi()
    access = KubernetesAccess(api, DOMAIN)
    await access.visible(ADA, [])
    api.fails = True

    with pytest.raises(StateUnavailableError, match="SubjectAccessReview failed"):
        await access.visible(ADA, NAMES)
    assert len(api.asked) <= 1 + 20
