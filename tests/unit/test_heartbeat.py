"""A replica accepts and writes heartbeats only while its clock is right."""

import math

import pytest

from app.cluster.api import ApiError, Content, Query
from app.cluster.clock import ServerClock
from app.cluster.heartbeat import NAME, Heartbeat
from tests.unit.cluster_certs import always, never
from tests.unit.kube import FakeKube

NOW = 1_800_000_000.0
OWN = "registry-admission"
ANNOTATION = f"{NAME}.image.alauda.io/time"


class Replica:
    """One replica's heartbeat and clock, and an API server with the right time."""

    def __init__(self) -> None:
        self.now = NOW
        self.server_ahead = 0.0
        self.api = Server(self)
        self.reopened: list[float] = []
        self.heartbeat = Heartbeat(
            self.api,
            group="image.alauda.io",
            namespace=OWN,
            max_error=2,
            clock=lambda: self.now,
            late=lambda: self.reopened.append(self.now - NOW),
            late_after=2.5,
        )

    async def pass_time(self, seconds: float, *, seen: bool = False) -> None:
        """Beat four times a second. `seen`: the watch shows written heartbeats."""
        for _ in range(round(seconds * 4)):
            await self.heartbeat.beat()
            if seen:
                self.heartbeat.see(self.api.stored())
            self.now += 0.25


class Server(FakeKube):
    """An API server that sends its time with every answer that is not a failure."""

    def __init__(self, replica: Replica) -> None:
        super().__init__(NOW)
        self.clock = ServerClock()
        self.asked: list[float] = []
        self.objects["/version"] = {}
        self._replica = replica

    def stored(self) -> Content:
        return self.objects[f"/apis/image.alauda.io/v1/namespaces/{OWN}/imagestreams/{NAME}"]

    async def get(self, path: str, query: Query | None = None) -> Content:
        answer = await super().get(path, query)
        self.asked.append(self._replica.now - NOW)
        self.tell_time()
        return answer

    def tell_time(self) -> None:
        now = self._replica.now
        self.clock.observe(float(int(now + self._replica.server_ahead)), sent=now, received=now)


@pytest.fixture
def replica() -> Replica:
    return Replica()


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        pytest.param(NOW - 1, NOW - 1, id="just written"),
        pytest.param(NOW + 4, NOW + 4, id="by two clocks that are as wrong as they may be"),
        pytest.param(NOW + 4.25, 0, id="by a clock that is a bit more wrong than that"),
        pytest.param(NOW + 3600, 0, id="by a clock that is wrong"),
        pytest.param("soon", 0, id="by hand"),
    ],
)
def test_heartbeat_from_the_future_is_ignored(
    replica: Replica, written: object, seen: float
) -> None:
    replica.heartbeat.see({"metadata": {"annotations": {ANNOTATION: str(written)}}})

    assert replica.heartbeat.seen_at == seen


async def test_replica_with_the_right_time_writes_each_second(replica: Replica) -> None:
    replica.api.tell_time()

    await replica.pass_time(5, seen=True)

    assert len(replica.api.writes) == 5
    assert replica.api.asked == []


async def test_replica_compares_its_clock_before_it_writes(
    replica: Replica,
) -> None:
    await replica.heartbeat.beat()
    assert replica.api.writes == []

    await replica.heartbeat.beat()

    assert len(replica.api.writes) == 1
    assert replica.api.asked == [0]


async def test_replica_with_a_wrong_clock_asks_each_second_until_it_is_right(
    replica: Replica,
) -> None:
    replica.server_ahead = 60
    await replica.pass_time(3)
    assert replica.api.asked == [0, 1, 2]
    assert replica.api.writes == []

    replica.server_ahead = 0
    await replica.pass_time(1.25)

    assert replica.api.asked == [0, 1, 2, 3]
    assert replica.api.clock.error <= 2
    assert replica.api.writes


async def test_clock_that_is_set_back_is_compared_at_once(replica: Replica) -> None:
    replica.server_ahead = 60
    await replica.heartbeat.beat()
    replica.now -= 3600
    replica.server_ahead = 3660

    await replica.heartbeat.beat()

    assert len(replica.api.asked) == 2


async def test_watch_is_reopened_while_own_heartbeats_are_unseen(
    replica: Replica,
) -> None:
    replica.api.tell_time()
    await replica.pass_time(4, seen=True)
    assert replica.reopened == []

    await replica.pass_time(7)
    assert replica.reopened == [6.75, 9.5]

    await replica.pass_time(10, seen=True)
    assert replica.reopened == [6.75, 9.5]


async def test_watch_is_not_reopened_while_the_image_api_is_down(
    replica: Replica,
) -> None:
    replica.api.tell_time()
    await replica.pass_time(4, seen=True)
    replica.api.failing = always

    await replica.pass_time(10)

    assert replica.reopened == []
    assert replica.heartbeat.unanswered

    replica.api.failing = never
    await replica.pass_time(1, seen=True)
    assert not replica.heartbeat.unanswered


@pytest.mark.parametrize(
    ("status", "unanswered"), [(0, True), (503, True), (504, True), (403, False), (404, False)]
)
async def test_only_missing_or_5xx_responses_count_as_unanswered(
    replica: Replica, monkeypatch: pytest.MonkeyPatch, status: int, unanswered: bool
) -> None:
    async def refuse(path: str, patch: Content, query: Query | None = None) -> Content:
        raise ApiError(status, "no")

    monkeypatch.setattr(replica.api, "merge", refuse)
    replica.api.tell_time()

    await replica.heartbeat.beat()

    assert replica.heartbeat.unanswered is unanswered


async def test_a_heartbeat_from_the_future_has_our_own_clock_compared(replica: Replica) -> None:
    """The machine may have been suspended for an hour, and its clock stood still."""
    await replica.heartbeat.beat()
    asked = len(replica.api.asked)
    metadata = {"annotations": {ANNOTATION: repr(NOW + 3600)}}
    replica.server_ahead = 3600

    replica.heartbeat.see({"metadata": metadata})
    assert replica.api.clock.error == math.inf

    await replica.heartbeat.beat()
    assert len(replica.api.asked) == asked + 1
    assert 3599 < replica.api.clock.error < 3602
