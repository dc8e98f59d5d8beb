"""Refused pushes cause Events. Their number is bounded for any number of refusals."""

import gc
import weakref

import pytest

from app.admission import events
from app.admission.events import RefusalEvents
from app.admission.review import AdmissionRequest, Outcome
from app.model.domain import ApiDomain
from tests.unit.kube import FakeKube

NOW = 1_800_000_000.0


def refused(number: int) -> tuple[AdmissionRequest, Outcome]:
    request = AdmissionRequest.model_validate(
        {
            "uid": str(number),
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStreamMapping"},
            "operation": "CREATE",
            "name": "app",
            "namespace": "ns",
        }
    )
    return request, Outcome(False, 403, "Forbidden", f"refusal {number}", ("QuotaExceeded",))


class Refusals:
    def __init__(self) -> None:
        self.now = NOW
        self.api = FakeKube(NOW)
        self.events = RefusalEvents(self.api, ApiDomain(), "one", clock=lambda: self.now)

    async def come(self, *numbers: int) -> None:
        for number in numbers:
            self.events.refused(*refused(number))
        await self.events.write_waiting()

    def written(self) -> list[tuple[str, int]]:
        return [
            (event["message"], event["count"])
            for path, event in self.api.objects.items()
            if "/events/" in path
        ]


async def test_equal_refusals_share_one_event_with_a_count() -> None:
    refusals = Refusals()

    await refusals.come(1, 2, 3)
    assert refusals.written() == [("refusal 1", 3)]
    await refusals.come(4)
    assert refusals.written() == [("refusal 1", 3)]
    refusals.now += 61
    await refusals.come(5)
    assert refusals.written() == [("refusal 5", 5)]


async def test_a_busy_series_is_remembered_longer_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_REMEMBERED", 2)
    refusals = Refusals()
    for name in ("busy", "a", "busy", "b", "busy", "c", "busy"):
        refusals.events.refused(*of_stream("ns", name))

    await refusals.events.write_waiting()

    assert sorted(count for _, count in refusals.written()) == [1, 1, 1, 4]


async def test_expired_event_is_written_again() -> None:
    refusals = Refusals()
    await refusals.come(1)
    refusals.api.objects.clear()
    refusals.now += 3600

    await refusals.come(2)

    assert refusals.written() == [("refusal 2", 2)]


async def test_event_names_the_stream_and_its_uid() -> None:
    refusals = Refusals()
    path = "/apis/image.alauda.io/v1/namespaces/ns/imagestreams/app"
    refusals.api.objects[path] = {"metadata": {"name": "app", "uid": "1234"}}

    await refusals.come(1)

    [event] = [one for path, one in refusals.api.objects.items() if "/events/" in path]
    assert event["involvedObject"]["uid"] == "1234"


def of_stream(namespace: str, name: str) -> tuple[AdmissionRequest, Outcome]:
    request, outcome = refused(1)
    return request.model_copy(update={"namespace": namespace, "name": name}), outcome


async def flood(refusals: Refusals, namespace: str, count: int) -> int:
    """The number of Events for refusals that all have new names."""
    before = len(refusals.written())
    for number in range(count):
        refusals.events.refused(*of_stream(namespace, f"app-{refusals.now}-{number}"))
        await refusals.events.write_waiting()
    return len(refusals.written()) - before


async def test_a_namespace_has_a_budget_of_events_that_others_do_not_pay_for() -> None:
    refusals = Refusals()

    assert await flood(refusals, "noisy", 1000) == 10
    assert await flood(refusals, "quiet", 1) == 1
    refusals.now += 60
    assert await flood(refusals, "noisy", 1000) == 2


async def test_all_namespaces_together_have_a_budget_of_events() -> None:
    refusals = Refusals()

    written = [await flood(refusals, f"ns-{number}", 10) for number in range(10)]
    assert sum(written) == 50
    refusals.now += 5
    assert await flood(refusals, "ns-11", 10) == 5


async def test_a_refusal_that_found_no_budget_becomes_an_event_later() -> None:
    refusals = Refusals()
    await flood(refusals, "noisy", 10)
    late = of_stream("noisy", "late")

    refusals.events.refused(*late)
    refusals.now += 30
    refusals.events.refused(*late)
    await refusals.events.write_waiting()

    assert len(refusals.written()) == 11


async def test_refusals_beyond_the_queue_are_not_written() -> None:
    refusals = Refusals()
    for number in range(150):
        refusals.now += 60
        refusals.events.refused(*of_stream("ns", f"app-{number}"))

    await refusals.events.write_waiting()

    assert len(refusals.written()) == 100


def test_waiting_event_does_not_keep_the_refused_object() -> None:
    class Large:
        pass

    refusals, large = Refusals(), Large()
    request, outcome = refused(1)
    kept = weakref.ref(large)
    refusals.events.refused(request.model_copy(update={"object": {"spec": large}}), outcome)

    del large

    gc.collect()
    assert kept() is None
