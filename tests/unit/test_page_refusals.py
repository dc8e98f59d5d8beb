"""The refusals that the page keeps and shares with other replicas."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.admission.review import AdmissionRequest, Outcome
from app.cluster.api import NotFoundError
from app.page.refusals import CAPACITY, MAX_MESSAGE, WINDOW, Finding, Refusal, Refusals
from app.page.shared_refusals import LABEL, SharedRefusals, decode, encode
from app.policy.verdict import Verdict
from app.registry.names import Repository
from tests.unit.stores import DOMAIN

APP = Repository("team-a", "app")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(clock: Clock) -> Refusals:
    return Refusals(DOMAIN, clock)


def too_large(message: str = "too large") -> Verdict:
    verdict = Verdict()
    verdict.deny("ImageTooLarge", message, "make it smaller")
    return verdict


def test_equal_refusals_are_counted_and_the_latest_comes_first(
    refusals: Refusals, clock: Clock
) -> None:
    refusals.push(APP, too_large("2Gi"))
    clock.now += 10
    refusals.push(Repository("team-b", "web"), too_large())
    clock.now += 10
    refusals.push(APP, too_large("3Gi"))

    assert refusals.recent() == [
        Refusal("team-a", "app", ("ImageTooLarge",), "3Gi; make it smaller",
                1_000_000, 1_000_020, 2,
                findings=(Finding("ImageTooLarge", "3Gi", "make it smaller"),)),
        Refusal("team-b", "web", ("ImageTooLarge",), "too large; make it smaller",
                1_000_010, 1_000_010,
                findings=(Finding("ImageTooLarge", "too large", "make it smaller"),)),
    ]  # fmt: skip
    assert [refusal.stream for refusal in refusals.of("team-a")] == ["app"]
    assert refusals.of("team-a", "web") == []


def request(**changes: Any) -> AdmissionRequest:
    fields = {
        "uid": "1",
        "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStreamTag"},
        "name": "app:v1",
        "namespace": "team-a",
        "operation": "CREATE",
    }
    return AdmissionRequest.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "code", "noted"),
    [
        pytest.param({}, 403, True, id="a limit"),
        pytest.param({}, 503, False, id="no decision"),
        pytest.param({"dryRun": True}, 403, False, id="a dry run"),
        pytest.param({"name": ""}, 403, False, id="no stream"),
        pytest.param({"namespace": ""}, 403, False, id="no namespace"),
        pytest.param({"kind": {"kind": "LimitRange"}}, 403, False, id="another kind"),
    ],
)
def test_reviews_that_concern_a_stream_are_noted(
    refusals: Refusals, changes: dict[str, Any], code: int, noted: bool
) -> None:
    outcome = Outcome(allowed=False, code=code, message="no", causes=("QuotaExceeded",))
    refusals.review(request(**changes), outcome)

    found = [(refusal.namespace, refusal.stream, refusal.reasons) for refusal in refusals.recent()]
    assert found == ([("team-a", "app", ("QuotaExceeded",))] if noted else [])


def test_old_refusals_are_dropped(refusals: Refusals, clock: Clock) -> None:
    refusals.push(APP, too_large())
    clock.now += WINDOW
    assert len(refusals.recent()) == 1
    clock.now += 1
    assert refusals.recent() == []


def test_flood_of_refusals_takes_bounded_memory(refusals: Refusals) -> None:
    for number in range(CAPACITY + 10):
        refusals.push(Repository("team-a", f"app{number}"), too_large("x" * 5000))

    assert len(refusals.recent()) == CAPACITY
    assert refusals.recent()[0].message == "x" * (MAX_MESSAGE - 1) + "…"
    assert len(encode(refusals.own())) <= 200_000


def test_refusals_before_the_start_are_unknown(refusals: Refusals, clock: Clock) -> None:
    assert refusals.has_forgotten
    clock.now += WINDOW
    assert not refusals.has_forgotten


def test_other_replicas_supply_refusals_before_the_start(refusals: Refusals) -> None:
    SharedRefusals(FakeApi(), "registry-admission", "here", refusals)
    assert not refusals.has_forgotten


class FakeApi:
    """ConfigMaps by name."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.writes = 0

    async def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        self.writes += 1
        self.stored[content["metadata"]["name"]] = content
        return content

    async def replace(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        if path.rpartition("/")[2] not in self.stored:
            raise NotFoundError(404, "not found")
        return await self.create(path, content)

    async def delete(self, path: str) -> None:
        if self.stored.pop(path.rpartition("/")[2], None) is None:
            raise NotFoundError(404, "not found")


def config_map(name: str, refusals: Refusals | str) -> dict[str, Any]:
    text = refusals if isinstance(refusals, str) else encode(refusals.own())
    return {"metadata": {"name": name}, "data": {"refusals": text}}


def test_the_refusals_of_all_replicas_are_added_up(clock: Clock) -> None:
    here, there = Refusals(DOMAIN, clock), Refusals(DOMAIN, clock)
    sharing = SharedRefusals(FakeApi(), "registry-admission", "here", here)
    there.push(APP, too_large("2Gi"))
    clock.now += 5
    here.push(APP, too_large("3Gi"))
    sharing.put(("registry-admission", "refusals-there"), config_map("refusals-there", there))

    [found] = here.recent()
    assert (found.count, found.message) == (2, "3Gi; make it smaller")
    assert (found.first, found.last) == (1_000_000, 1_000_005)
    sharing.retain(set())
    assert [refusal.count for refusal in here.recent()] == [1]


async def test_refusals_are_written_when_there_are_new_ones(clock: Clock) -> None:
    api, refusals = FakeApi(), Refusals(DOMAIN, clock)
    sharing = SharedRefusals(api, "registry-admission", "here", refusals)
    await sharing.share()
    assert api.stored == {}

    for writes in (1, 2):
        refusals.push(APP, too_large())
        await sharing.share()
        await sharing.share()
        assert api.writes == writes
    [written] = api.stored.values()
    assert written["metadata"]["labels"] == {LABEL: "true"}
    assert decode(written) == refusals.own()


async def test_expired_refusals_are_deleted(clock: Clock) -> None:
    api, refusals = FakeApi(), Refusals(DOMAIN, clock)
    sharing = SharedRefusals(api, "registry-admission", "here", refusals)
    refusals.push(APP, too_large())
    key, left_behind = (
        ("registry-admission", "refusals-gone"),
        config_map("refusals-gone", refusals),
    )
    api.stored["refusals-gone"] = left_behind
    sharing.put(key, left_behind)

    await sharing.share()
    assert "refusals-gone" in api.stored
    clock.now += WINDOW + 1
    await sharing.share()
    assert "refusals-gone" not in api.stored
    await sharing.share()


async def test_refusals_are_kept_while_one_of_them_is_shown(clock: Clock) -> None:
    api, there = FakeApi(), Refusals(DOMAIN, clock)
    there.push(APP, too_large())
    clock.now += WINDOW
    there.push(replace(APP, stream="web"), too_large())
    left_behind = config_map("refusals-gone", there)
    api.stored["refusals-gone"] = left_behind
    sharing = SharedRefusals(api, "registry-admission", "here", Refusals(DOMAIN, clock))
    sharing.put(("registry-admission", "refusals-gone"), left_behind)

    clock.now += 1
    await sharing.share()

    assert "refusals-gone" in api.stored


def test_refusals_of_an_older_version_are_shown(clock: Clock) -> None:
    """During an upgrade, other replicas write fewer fields."""
    refusals = Refusals(DOMAIN, clock)
    sharing = SharedRefusals(FakeApi(), "registry-admission", "here", refusals)
    old = {"namespace": "team-a", "stream": "app", "reasons": ["ImageTooLarge"],
           "message": "2Gi; make it smaller", "first": clock.now, "last": clock.now,
           "next_steps": ["make it smaller"]}  # fmt: skip
    sharing.put(("registry-admission", "there"), config_map("there", json.dumps([old])))

    [found] = refusals.recent()
    assert (found.message, found.findings) == ("2Gi; make it smaller", ())


@pytest.mark.parametrize("text", ["", "[", "{}", '[{"namespace": 1}]', "null"])
async def test_refusals_that_are_not_understood_are_left_out_and_never_deleted(
    text: str, clock: Clock
) -> None:
    """The ConfigMap may be that of a running replica of a newer version."""
    api, refusals = FakeApi(), Refusals(DOMAIN, clock)
    sharing = SharedRefusals(api, "registry-admission", "here", refusals)
    unknown = config_map("refusals-there", text)
    api.stored["refusals-there"] = unknown
    sharing.put(("registry-admission", "refusals-there"), unknown)

    clock.now += WINDOW + 1
    await sharing.share()

    assert refusals.recent() == []
    assert "refusals-there" in api.stored
