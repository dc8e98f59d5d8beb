"""The page during faults."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.auth.authentication import Subject, Visible
from app.gateway.contents import NO_LINKS, Contents
from app.gateway.repository_usage import RepositoryUsage
from app.model.limits import NamespaceLimits
from app.page.api import PageApi
from app.page.query import Query, part
from app.page.refusals import Refusal, Refusals
from app.page.rendering import Renderer
from app.page.session import Sessions
from app.page.views import Views
from app.policy.new_limit import NewLimit
from app.policy.verdict import Verdict
from app.quota.ledger import Escrow, Ledger, Reservation
from app.quota.members import Members
from app.quota.state import StateUnavailableError
from app.quota.store import MemoryLedgers
from app.quota.usage import NamespaceUsage
from app.registry.names import Repository
from tests.unit.overviews import overview
from tests.unit.stores import DOMAIN, FakeState, limit

BEARER = {"Authorization": "Bearer token"}


class FakeAccess:
    """Knows every user. It may be slow, fail, or have checked only some namespaces."""

    sees = "what is theirs"
    hint = "ask"

    def __init__(self) -> None:
        self.broken = False
        self.unchecked = 0
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def authenticate(self, token: str) -> Subject | None:
        self.asked += 1
        await self.answers.wait()
        if self.broken:
            raise StateUnavailableError("TokenReview failed: etcd is gone")
        return Subject("ada")

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject | None:
        return None

    async def may_push(self, subject: Subject, repository: Repository) -> bool:
        return False

    async def visible(self, subject: Subject, namespaces: Sequence[str]) -> Visible:
        return Visible(frozenset(namespaces), self.unchecked)


@pytest.fixture
def state() -> FakeState:
    made = FakeState(NamespaceLimits(stream_tags=limit("10")))
    made.store("team-a", "group/app", {"v1": ("sha256:" + "a" * 64,)})
    return made


@pytest.fixture
def access() -> FakeAccess:
    return FakeAccess()


@pytest.fixture
def ledgers() -> MemoryLedgers:
    return MemoryLedgers()


@pytest_asyncio.fixture
async def client(
    state: FakeState, access: FakeAccess, ledgers: MemoryLedgers
) -> AsyncIterator[httpx.AsyncClient]:
    board, refusals = overview(state, lambda: state.index), Refusals(DOMAIN)
    refusals.push(Repository("team-a", "group/app"), refused(), "ada")
    renderer = Renderer("east", "https://docs.test/")
    views = Views(state, board, refusals, access, DOMAIN, renderer, ledgers, state.clock)
    app = FastAPI()
    page = PageApi(views, access, Sessions(lambda: b"key"), renderer, max_concurrent=2)
    app.include_router(page.router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as client:
        client.headers.update(BEARER)
        yield client


async def test_a_namespace_shows_pushes_in_flight(
    client: httpx.AsyncClient, state: FakeState, ledgers: MemoryLedgers
) -> None:
    text = "1 push in flight and 8 places in escrow count as used as well."
    assert text not in (await client.get("/page/namespaces/team-a")).text
    pushed = Reservation("one", Members(tags=frozenset({("group/app", "v2")})), state.now + 60)
    escrow = Escrow("replica/1", 8, 1, state.now + 3, state.now + 7, state.now + 143)
    await ledgers.save("team-a", Ledger([pushed], escrows=[escrow]), "")

    assert text in (await client.get("/page/namespaces/team-a")).text


async def test_unavailable_authentication_asks_to_retry(
    client: httpx.AsyncClient, access: FakeAccess
) -> None:
    access.broken = True
    for answer in (
        await client.get("/page"),
        await client.post("/page/sign-in", data={"token": "token"}),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "TokenReview failed: etcd is gone" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_too_many_concurrent_readers_get_503(
    client: httpx.AsyncClient, access: FakeAccess
) -> None:
    access.answers.clear()
    waiting = [asyncio.create_task(client.get("/page")) for _ in range(2)]
    while access.asked < 2:
        await asyncio.sleep(0)
    refused = await client.get("/page")
    access.answers.set()

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert [(await task).status_code for task in waiting] == [200, 200]
    assert (await client.get("/page")).status_code == 200


def refused() -> Verdict:
    verdict = Verdict()
    remedy = NewLimit("LimitRange", "team-a", "limits", (("storage", "1200Mi"),), "alauda.io/Image")
    text = f"too large: image {DIGEST} of tag app:v1"
    verdict.exceed("ImageTooLarge", text, "make it smaller", "enforce", remedy=remedy)
    return verdict


DIGEST = "sha256:" + "b" * 64


async def test_refusal_shows_next_step_command_user_and_digest_on_demand(
    client: httpx.AsyncClient,
) -> None:
    text = (await client.get("/page/refusals")).text
    assert text.index("Next: <bdi>make it smaller") < text.index("too large: image ")
    assert f"<summary>{DIGEST[:19]}</summary><code>{DIGEST}</code>" in text
    assert "pushed by <bdi>ada</bdi>" in text
    assert "kubectl -n team-a patch limitrange limits" in text
    assert "1200Mi" in text


def refusals_page(renderer: Renderer, *found: Refusal) -> str:
    listed = part(found, 1, 50)
    values = {"now": 0.0, "window": 6, "since": 0.0, "forgotten": False}
    return renderer.render("refusals", query=Query(), part=listed, **values)


def test_limits_that_kubectl_cannot_change_have_no_command() -> None:
    refusals = Refusals(DOMAIN)
    refusals.push(Repository("team-a", "app"), refused())
    assert "kubectl" in refusals_page(Renderer(), *refusals.recent())
    text = refusals_page(Renderer(commands=False), *refusals.recent())
    assert "kubectl" not in text
    assert "make it smaller" in text


def test_refusal_of_an_older_replica_shows_its_message() -> None:
    old = Refusal("team-a", "app", ("ImageTooLarge",), "2Gi; make it smaller", 0.0, 0.0)
    text = refusals_page(Renderer(), old)
    assert "ImageTooLarge</span>" in text
    assert "2Gi; make it smaller" in text


async def test_reason_leads_to_its_entry_in_the_documentation(client: httpx.AsyncClient) -> None:
    text = (await client.get("/page/refusals")).text
    assert 'href="https://docs.test/troubleshooting/#imagetoolarge">ImageTooLarge</a>' in text


async def test_time_of_a_refusal_is_relative_and_in_utc(client: httpx.AsyncClient) -> None:
    text = (await client.get("/page/refusals")).text
    shown = re.search(
        r'<time datetime="\d{4}-\d\d-\d\dT(\d\d:\d\d):\d\dZ">just now <span class="faint">(.*?)<',
        text,
    )
    assert shown is not None
    assert shown[2] == f"{shown[1]} UTC"


async def test_page_names_its_cluster_and_its_age(client: httpx.AsyncClient) -> None:
    text = (await client.get("/page")).text
    assert "<title>Namespaces · Image registry · east</title>" in text
    assert "<bdi>east</bdi>" in text
    assert " old.\n" in text
    assert "Full: pushes refused now" in text
    assert 'href="/page?sort=name">Namespace</a>' in text


async def test_page_refreshes_only_if_asked_to(client: httpx.AsyncClient) -> None:
    plain, refreshing = await client.get("/page"), await client.get("/page?refresh=on")
    assert "refresh" not in plain.headers
    assert refreshing.headers["refresh"] == "60"
    assert 'href="/page">Stop refreshing' in refreshing.text


async def test_missing_page_keeps_the_navigation(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page/nowhere")
    assert answer.status_code == 404
    assert 'href="/page/refusals"' in answer.text
    assert "<bdi>ada</bdi>" in answer.text
    assert "<title>Not found · Image registry · east</title>" in answer.text


async def test_unavailable_state_keeps_the_navigation_and_a_way_back(
    client: httpx.AsyncClient, state: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(namespace: str) -> NamespaceUsage:
        raise StateUnavailableError(f"the ImageStreams of {namespace} cannot be read")

    monkeypatch.setattr(state, "usage", usage)
    answer = await client.get("/page/namespaces/team-a?q=web")
    assert answer.status_code == 503
    assert "the ImageStreams of team-a cannot be read" in answer.text
    assert 'href="/page/refusals"' in answer.text
    assert "<bdi>ada</bdi>" in answer.text
    assert 'href="/page/namespaces/team-a?q=web">Try again</a>' in answer.text


async def test_stale_view_is_labelled(client: httpx.AsyncClient, state: FakeState) -> None:
    state.reasons = ["imagestreams: the watch is 9 s behind (limit: 5 s)"]
    answer = await client.get("/page")

    assert answer.status_code == 200
    assert "This is not up to date." in answer.text
    assert "the watch is 9 s behind" in answer.text


async def test_pending_rights_check_shows_nothing_secret(
    client: httpx.AsyncClient, access: FakeAccess
) -> None:
    access.unchecked = 4800
    answer = await client.get("/page?q=team&sort=name")

    assert "Your rights in 4,800 more namespaces" in answer.text
    assert 'href="/page?q=team&amp;sort=name">Look further' in answer.text


async def test_stream_name_may_contain_slashes(client: httpx.AsyncClient) -> None:
    overview = await client.get("/page/namespaces/team-a")
    link = "/page/namespaces/team-a/streams/group/app"
    assert f'href="{link}"' in overview.text
    stream = await client.get(link)
    assert stream.status_code == 200
    assert "<bdi>group/app</bdi></h1>" in stream.text
    assert "unknown" in stream.text


async def test_oversized_token_is_explained(client: httpx.AsyncClient) -> None:
    token = "".join(f"{number * number:x}" for number in range(4000))
    answer = await client.post("/page/sign-in", data={"token": token})

    assert answer.status_code == 401
    assert "characters is too long for a cookie" in answer.text


async def test_images_without_a_tag_are_counted_beside_the_limits_with_the_next_step(
    client: httpx.AsyncClient, state: FakeState
) -> None:
    """A gateway counts them so: a repository may have images that no tag reaches."""
    contents = Contents()
    contents.point("v1", "sha256:" + "a" * 64)
    for digit in "abc":
        contents.put("sha256:" + digit * 64, NO_LINKS)
    before = await client.get("/page/namespaces/team-a")

    state.index.put("team-a", "group/app", RepositoryUsage(contents))
    after = await client.get("/page/namespaces/team-a")

    assert "without a tag" not in before.text
    assert (
        "2 images without a tag, left by refused or replaced pushes; they do not count, and the "
        "registry&#39;s garbage collection removes them." in after.text
    )
