"""Refused pushes are Events: few, however many pushes are refused."""

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


async def test_refusals_of_one_kind_are_one_event_that_counts() -> None:
    refusals = Refusals()

    await refusals.come(1, 2, 3)
    assert refusals.written() == [("refusal 1", 3)]
    await refusals.come(4)
    assert refusals.written() == [("refusal 1", 3)]
    refusals.now += 61
    await refusals.come(5)
    assert refusals.written() == [("refusal 5", 5)]


async def test_an_event_that_the_api_server_has_forgotten_is_written_anew() -> None:
    refusals = Refusals()
    await refusals.come(1)
    refusals.api.objects.clear()
    refusals.now += 3600

    await refusals.come(2)

    assert refusals.written() == [("refusal 2", 2)]


async def test_an_event_names_the_very_stream() -> None:
    refusals = Refusals()
    path = "/apis/image.alauda.io/v1/namespaces/ns/imagestreams/app"
    refusals.api.objects[path] = {"metadata": {"name": "app", "uid": "1234"}}

    await refusals.come(1)

    [event] = [one for path, one in refusals.api.objects.items() if "/events/" in path]
    assert event["involvedObject"]["uid"] == "1234"
