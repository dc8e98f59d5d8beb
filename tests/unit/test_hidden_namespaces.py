"""A refusal reveals of other namespaces only the objects that its user may see."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from app.admission.review import UserInfo
from app.policy.verdict import Verdict
from app.quota.state import StateUnavailableError
from app.quota.usage import UsageIndex
from tests.unit.pushes import Pushes
from tests.unit.reviews import BIG, REGISTRY, causes, decide, service


class Rights:
    """The namespaces that a user may see, and the namespaces that were checked."""

    def __init__(self, *visible: str) -> None:
        self.visible = set(visible)
        self.asked: list[set[str]] = []
        self.fails = False

    async def __call__(self, user: UserInfo, namespaces: Collection[str]) -> Collection[str]:
        if self.fails:
            raise StateUnavailableError("SubjectAccessReview failed")
        self.asked.append(set(namespaces))
        return self.visible & set(namespaces)


def pushes(rights: Rights, *, stored: bool = True) -> Pushes:
    """The small registry of the tests; without `stored` team-b has nothing."""
    found = service()
    if not stored:
        own = found.state.index["team-a"]
        found.state.index = UsageIndex()
        for name, stream in own.streams.items():
            found.state.index.put("team-a", name, stream)
        found.state.sizes = {}
    found.admission = replace(found.admission, visibility=rights)
    return found


def tag(**source: str) -> tuple[str, dict[str, Any]]:
    return "ImageStreamTag", {"metadata": {"name": "app:new"}, "tag": {"from": source}}


def stream(**source: str) -> tuple[str, dict[str, Any]]:
    tags = [{"name": "new", "from": source}]
    return "ImageStream", {"metadata": {"name": "app"}, "spec": {"tags": tags}}


def imported(**spec: Any) -> tuple[str, dict[str, Any]]:
    return "ImageStreamImport", {"metadata": {"name": "app"}, "spec": {"import": True, **spec}}


def docker(name: str) -> dict[str, str]:
    return {"kind": "DockerImage", "name": f"{REGISTRY}/team-b/{name}"}


OF_TEAM_B = {"namespace": "team-b"}
FROM_TEAM_B = [
    pytest.param(*tag(kind="ImageStreamTag", name="origin:big", **OF_TEAM_B), id="tag"),
    pytest.param(*stream(kind="ImageStreamTag", name="origin:big", **OF_TEAM_B), id="spec tag"),
    pytest.param(*tag(kind="ImageStreamImage", name=f"origin@{BIG}", **OF_TEAM_B), id="image"),
    pytest.param(
        *stream(kind="ImageStreamImage", name=f"origin@{BIG[:20]}", **OF_TEAM_B), id="short digest"
    ),
    pytest.param(*stream(**docker("origin:big")), id="pull spec"),
    pytest.param(*stream(**docker(f"origin@{BIG}")), id="pull spec with a digest"),
    pytest.param(*imported(images=[{"from": docker("origin:big")}]), id="import"),
    pytest.param(*imported(repository={"from": docker("origin")}), id="import of all tags"),
]


@pytest.mark.parametrize(("kind", "content"), FROM_TEAM_B)
async def test_hidden_stream_is_treated_like_a_missing_one(
    kind: str, content: dict[str, Any]
) -> None:
    rights = Rights()

    hidden = await decide(pushes(rights), kind, content)
    missing = await decide(pushes(rights, stored=False), kind, content)

    assert hidden == missing
    assert rights.asked == [{"team-b"}, {"team-b"}]


@pytest.mark.parametrize(("kind", "content"), FROM_TEAM_B)
async def test_visible_image_is_named_and_refused(kind: str, content: dict[str, Any]) -> None:
    verdict = await decide(pushes(Rights("team-b")), kind, content)

    assert set(causes(verdict)) == {"ImageTooLarge"}
    assert BIG in text(verdict)
    assert "4Ki > 1Ki" in text(verdict)


@pytest.mark.parametrize(("kind", "content"), FROM_TEAM_B)
async def test_refusal_has_no_size_or_digest_of_a_hidden_namespace(
    kind: str, content: dict[str, Any]
) -> None:
    verdict = await decide(pushes(Rights()), kind, content)

    assert "4Ki" not in text(verdict)
    assert (BIG in text(verdict)) <= (BIG in str(content))


def text(verdict: Verdict) -> str:
    return "\n".join([*map(str, verdict.violations), *verdict.warnings])


async def test_own_namespace_is_visible_without_a_question() -> None:
    rights = Rights()
    kind, content = stream(kind="ImageStreamTag", name="app:huge")

    verdict = await decide(pushes(rights), kind, content)

    assert rights.asked == []
    assert causes(verdict) == ["ImageTooLarge"]


async def test_unanswered_access_review_makes_the_state_unavailable() -> None:
    rights = Rights("team-b")
    rights.fails = True
    kind, content = stream(kind="ImageStreamTag", name="origin:big", **OF_TEAM_B)

    with pytest.raises(StateUnavailableError):
        await decide(pushes(rights), kind, content)


async def test_late_answer_on_rights_ends_with_the_deadline() -> None:
    class Late(Rights):
        async def __call__(self, user: UserInfo, namespaces: Collection[str]) -> Collection[str]:
            await asyncio.Event().wait()
            return ()

    kind, content = tag(kind="ImageStreamTag", name="origin:big", **OF_TEAM_B)

    with pytest.raises(StateUnavailableError, match="the rights of its user are not known"):
        await decide(pushes(Late()), kind, content, within=0.1)
