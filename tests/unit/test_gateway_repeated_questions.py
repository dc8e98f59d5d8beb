"""The gateway repeats a question to a registry that limits its clients."""

import asyncio
from collections import Counter

import httpx
import pytest

from app.gateway.contents import Contents
from app.gateway.questions import Answer, Check, Questioner
from app.gateway.traffic import Traffic, Turns
from app.registry.client import RegistryClient, RegistryUnavailableError
from tests.unit import virtual_time
from tests.unit.fake_registry import FakeRegistry
from tests.unit.reading_gateway import APP, CHILD, ORIGIN


@pytest.mark.parametrize("named", ["0", "", "7", "3600"])
def test_question_is_repeated_when_the_registry_limits_its_clients(named: str) -> None:
    """The reading goes on from there. Otherwise a large repository would never be read."""
    seconds = {"7": 7.0, "3600": 30.0}.get(named, 1.0)
    registry = FakeRegistry({"ns/app": {f"v{number}": CHILD for number in range(50)}})
    limited = Counter[str]()

    async def limiting(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith(("/v7", "/list")) and not limited[path]:
            limited[path] += 1
            return httpx.Response(429, headers={"Retry-After": named} if named else {})
        return await registry(request)

    async def read() -> tuple[float, tuple[dict[str, Answer], set[str]]]:
        questioner = Questioner(
            RegistryClient(ORIGIN, transport=httpx.MockTransport(limiting)), Turns(Traffic())
        )
        tags = await questioner.tags(APP, urgent=True)
        answers = await questioner.ask(Check(APP, urgent=True), tags, Contents())
        return asyncio.get_running_loop().time(), (answers, tags)

    took, (answers, tags) = virtual_time.run(read())

    assert answers.keys() == tags == registry.repositories["ns/app"].keys()
    assert took == pytest.approx(2 * seconds)
    assert max(registry.asked.values()) == 1


def questions_after(
    first: httpx.Response, place: str
) -> tuple[float, set[str] | RegistryUnavailableError]:
    """The first answer at `place`, a path of a registry that wants a token, is `first`. Returns how
    many seconds the list of tags took, and the tags or the error."""
    registry, answered = FakeRegistry({"ns/app": {"v1": CHILD}}), Counter[str]()
    challenge = f'Bearer realm="{ORIGIN}/token",service="registry"'

    async def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path != "/token" and "authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        answered[path] += 1
        if path == place and answered[path] == 1:
            return first
        return (
            httpx.Response(200, json={"token": "t"})
            if path == "/token"
            else await registry(request)
        )

    async def read() -> tuple[float, set[str] | RegistryUnavailableError]:
        client = RegistryClient(ORIGIN, transport=httpx.MockTransport(answer))
        result: set[str] | RegistryUnavailableError
        try:
            result = await Questioner(client, Turns(Traffic())).tags(APP, urgent=True)
        except RegistryUnavailableError as error:
            result = error
        return asyncio.get_running_loop().time(), result

    return virtual_time.run(read())


TOKEN, LIST = "/token", "/v2/ns/app/tags/list"


@pytest.mark.parametrize("place", [TOKEN, LIST])
@pytest.mark.parametrize(
    ("status", "named", "seconds"),
    [(429, "7", 7.0), (429, "", 1.0), (429, "3600", 30.0), (503, "7", 7.0), (503, "3600", 30.0)],
)
def test_question_is_repeated_also_after_an_answer_of_the_token_service(
    place: str, status: int, named: str, seconds: float
) -> None:
    headers = {"Retry-After": named} if named else {}

    took, tags = questions_after(httpx.Response(status, headers=headers), place)

    assert tags == {"v1"}
    assert took == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("place", "status", "reported"),
    [
        (LIST, 503, 503),
        (LIST, 502, 502),
        (TOKEN, 503, 503),
        pytest.param(TOKEN, 404, 0, id="of the token service: the repository may exist"),
        pytest.param(TOKEN, 400, 0, id="of the token service: the page may have the right size"),
        pytest.param(TOKEN, 500, 0, id="of the token service: the manifest may be readable"),
    ],
)
def test_question_is_not_repeated_after_another_failure(
    place: str, status: int, reported: int
) -> None:
    took, error = questions_after(httpx.Response(status), place)

    assert isinstance(error, RegistryUnavailableError)
    assert str(error).endswith(f"status {status}")
    assert (error.status, took) == (reported, 0.0)


def test_registry_that_always_limits_its_clients_is_unavailable() -> None:
    async def read() -> None:
        refuses = httpx.MockTransport(lambda _: httpx.Response(429))
        questioner = Questioner(RegistryClient(ORIGIN, transport=refuses), Turns(Traffic()))
        await questioner.ask(Check(APP, urgent=True), {"v1"}, Contents())

    with pytest.raises(RegistryUnavailableError, match="status 429"):
        virtual_time.run(read())
