"""An informer lists, and then resumes its watch after each cut."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from app.cluster.api import ApiError, Content, GoneError, NotFoundError, Query
from app.cluster.informer import Informer, Key, RetryDelays
from tests.patience import PATIENCE
from tests.unit.kube import FakeKube

NOW = 1_800_000_000.0
PATH = "/api/v1/things"


class Things:
    """A store that keeps names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def put(self, key: Key, content: Content) -> None:
        if content.get("broken"):
            raise ValueError("not understood")
        self.names.add(key[1])

    def remove(self, key: Key) -> None:
        self.names.discard(key[1])

    def retain(self, keys: set[Key]) -> None:
        self.names &= {name for _, name in keys}


class Server(FakeKube):
    """Answers lists, and plays watches one after another. The last one stays open."""

    def __init__(self, lists: list[list[str] | ApiError], *watches: Sequence[Content | ApiError]):
        super().__init__(NOW)
        self._lists = lists
        self._watches = list(watches)
        self.versions: list[str] = []
        self.lasting = 0.0
        """Seconds that each watch is open before its first event."""

    async def get(self, path: str, query: Query | None = None) -> Content:
        found = self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]
        if isinstance(found, ApiError):
            raise found
        items = [{"metadata": {"name": name}} for name in found]
        return {"items": items, "metadata": {"resourceVersion": "10"}}

    async def watch(self, path: str, query: Query) -> AsyncGenerator[Content, None]:
        self.versions.append(query["resourceVersion"])
        if not self._watches:
            await asyncio.Event().wait()
        await asyncio.sleep(self.lasting)
        for event in self._watches.pop(0):
            if isinstance(event, ApiError):
                raise event
            yield event


def event(kind: str, name: str, version: str, **content: object) -> Content:
    metadata = {"name": name, "resourceVersion": version}
    return {"type": kind, "object": {"metadata": metadata, **content}}


DELAYS = RetryDelays()
MISSING = NotFoundError(404, "no such API")
CUT = ApiError(0, "connection reset")


@asynccontextmanager
async def following(
    server: Server,
    *,
    optional: bool = False,
    silence: float = 150,
    delays: RetryDelays = DELAYS,
) -> AsyncIterator[tuple[Informer, Things]]:
    things = Things()
    informer = Informer(
        server, PATH, "things", things, silence=silence, optional=optional, delays=delays
    )
    task = asyncio.create_task(informer.run())
    yield informer, things
    task.cancel()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("server", "names", "versions"),
    [
        pytest.param(
            Server([["a"]], [event("ADDED", "b", "11"), event("DELETED", "a", "12"), CUT]),
            {"b"},
            ["10", "12"],
            id="a cut watch goes on where it was",
        ),
        pytest.param(
            Server([["a", "b"], ["b"]], [GoneError(410, "too old")]),
            {"b"},
            ["10", "10"],
            id="what the API server has forgotten is listed again",
        ),
        pytest.param(
            Server([["a"], ["a", "c"]], [event("ADDED", "c", "11", broken=True)]),
            {"a", "c"},
            ["10", "10"],
            id="an event that cannot be applied is not skipped",
        ),
        pytest.param(
            Server([["a"]], [event("BOOKMARK", "", "20"), CUT]),
            {"a"},
            ["10", "20"],
            id="a bookmark moves the place",
        ),
    ],
)
async def test_informer_misses_no_change(
    server: Server, names: set[str], versions: list[str]
) -> None:
    async with following(server) as (informer, things):
        await until(lambda: len(server.versions) == 2)

        assert server.versions == versions
        assert things.names == names
        assert informer.problem() is None


@pytest.mark.parametrize(
    "watches",
    [
        pytest.param([], id="one that stays open"),
        pytest.param([[]] * 3, id="some that end, then one that stays open"),
        pytest.param([[]] * 1000, id="one after another that ends"),
    ],
)
async def test_silent_watch_is_listed_again_after_the_silence(
    watches: list[Sequence[Content | ApiError]],
) -> None:
    server = Server([["a"], ["b"]], *watches)
    async with following(server, silence=0.3) as (_, things):
        await until(lambda: things.names == {"b"})


async def test_clock_that_is_set_back_does_not_extend_the_silence() -> None:
    server, things, times = Server([["a"], ["b"]]), Things(), iter([NOW])
    informer = Informer(
        server, PATH, "things", things, silence=0.3, clock=lambda: next(times, NOW - 3600)
    )
    task = asyncio.create_task(informer.run())
    await until(lambda: things.names == {"b"})
    task.cancel()


async def test_lists_are_spaced_while_every_watch_is_too_old() -> None:
    server = Server([["a"]], *[[GoneError(410, "too old")]] * 1000)
    async with following(server, delays=RetryDelays(first=1000, longest=1000)):
        await until(lambda: len(server.versions) == 1)
        await asyncio.sleep(0.05)

        assert len(server.versions) == 1


async def test_successful_watch_resets_the_backoff() -> None:
    server = Server([["a"]], *[[CUT]] * 15)
    server.lasting = 0.1
    patient = RetryDelays(first=0.01, longest=1000, unanswered=1000, short=0.05)
    async with following(server, delays=patient):
        await until(lambda: len(server.versions) == 16)


async def test_an_api_server_that_refuses_while_it_starts_is_asked_again_soon() -> None:
    """The first refusal after an outage is followed by a short pause."""
    server = Server([*[CUT] * 12, ApiError(403, "forbidden"), ["a"]])
    patient = RetryDelays(first=0.05, longest=1000, unanswered=0.01)
    async with following(server, delays=patient) as (informer, _):
        await until(lambda: informer.problem() is None)


@pytest.mark.parametrize(
    ("error", "longest"),
    [
        pytest.param(CUT, 1, id="nothing answers"),
        pytest.param(ApiError(503, "no endpoints"), 1, id="nobody behind it answers"),
        pytest.param(ApiError(504, "timeout"), 1, id="nobody behind it answers in time"),
        pytest.param(MISSING, 15, id="not installed"),
        pytest.param(ApiError(403, "forbidden"), 15, id="not allowed"),
        pytest.param(ApiError(429, "too many requests"), 15, id="asked too often"),
        pytest.param(ValueError("not understood"), 15, id="an event that cannot be applied"),
    ],
)
def test_retry_pause_is_short_while_nothing_answers(error: Exception, longest: float) -> None:
    pauses = [RetryDelays().pause(failures, error) for failures in range(1, 30)]

    assert pauses[0] <= 0.4
    assert longest / 2 <= pauses[-1] <= longest


async def test_reopened_watch_continues_without_a_list() -> None:
    server = Server([["a"], ["wrong"]], [event("ADDED", "b", "11"), CUT])
    async with following(server) as (informer, things):
        await until(lambda: server.versions == ["10", "11"])
        informer.reopen()
        informer.reopen()
        await until(lambda: len(server.versions) == 3)

        assert server.versions == ["10", "11", "11"]
        assert things.names == {"a", "b"}
        assert informer.problem() is None


async def test_closed_watch_is_not_reopened() -> None:
    async with following(Server([CUT])) as (informer, _):
        await until(lambda: "connection reset" in (informer.problem() or ""))
        informer.reopen()
        await until(lambda: "connection reset" in (informer.problem() or ""))


async def test_problem_of_an_event_that_cannot_be_applied_has_no_text_of_the_event() -> None:
    """Everybody may read problems on `/readyz`."""
    late = RetryDelays(first=1000, longest=1000)
    server = Server([["a"]], [event("ADDED", "c", "11", broken=True)])
    async with following(server, delays=late) as (informer, _):
        await until(lambda: "not listed" not in (informer.problem() or "not listed"))

        assert informer.problem() == "things: ValueError at an event; the log says more"


async def test_missing_api_is_a_problem_until_installed() -> None:
    async with following(Server([MISSING, ["a"]])) as (informer, things):
        await until(lambda: "not installed" in (informer.problem() or ""))
        await until(lambda: informer.problem() is None)

        assert things.names == {"a"}


async def test_an_api_that_goes_away_is_a_problem_at_once() -> None:
    server = Server([["a"]], [MISSING])
    async with following(server, delays=RetryDelays(first=1000, longest=1000)) as (informer, _):
        await until(lambda: informer.problem() == "things: the API is not installed")


async def test_an_optional_api_that_is_not_installed_has_no_objects() -> None:
    async with following(Server([MISSING]), optional=True) as (informer, _):
        await until(informer.synced.is_set)

        assert informer.problem() is None


async def test_an_optional_api_that_goes_away_takes_its_objects_along() -> None:
    server = Server([["a"], MISSING], [MISSING])
    async with following(server, optional=True) as (informer, things):
        await until(lambda: bool(server.versions) and not things.names)

        assert informer.problem() is None


async def test_an_api_that_does_not_answer_is_a_problem_even_if_optional() -> None:
    async with following(Server([CUT]), optional=True) as (informer, _):
        await until(lambda: "connection reset" in (informer.problem() or ""))
