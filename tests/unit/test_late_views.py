"""If the view of the cluster is too old, a push waits a moment before it is refused."""

import asyncio

import pytest

from app.admission.catching_up import covered_ledger
from app.quota.ledger import Ledger
from app.quota.state import StateUnavailableError
from app.quota.store import MemoryLedgers
from app.quota.view import Floor, Timing
from tests.unit import virtual_time
from tests.unit.image_requests import named, stream
from tests.unit.reviews import decide, service
from tests.unit.stores import FakeState

FAR = Floor(position=7, set_at=10_000.0)
LATE = "imagestreams.image.alauda.io: the watch is 6 s behind (limit: 5 s)"


class Floored(MemoryLedgers):
    """Every ledger has this floor."""

    def __init__(self, floor: Floor) -> None:
        super().__init__()
        self._floor = floor

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        return Ledger(floor=self._floor), "1"


async def test_a_push_is_decided_when_the_view_is_young_again() -> None:
    pushes = service()
    pushes.state.reasons = [LATE]
    asyncio.get_running_loop().call_later(0.2, pushes.state.reasons.clear)

    verdict = await decide(pushes, "ImageStream", stream(named("v2")), within=20)

    assert verdict.allowed


async def test_a_push_is_refused_if_the_view_stays_too_old() -> None:
    pushes = service()
    pushes.state.reasons = [LATE]

    with pytest.raises(StateUnavailableError, match="6 s behind"):
        await decide(pushes, "ImageStream", stream(named("v2")), within=0.8)


@pytest.mark.parametrize("floor", [Floor(), FAR], ids=["view covers the ledger", "it does not"])
def test_a_state_that_turns_unavailable_ends_the_wait_for_its_view(floor: Floor) -> None:
    state, ledgers = FakeState(), Floored(floor)
    state.reasons = [LATE]

    with pytest.raises(StateUnavailableError, match="6 s behind"):
        virtual_time.run(covered_ledger(ledgers, "ns", state, Timing()))


def test_a_ledger_is_returned_once_the_view_covers_its_floor() -> None:
    state = FakeState()

    async def wait() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(3.0, setattr, state, "position", FAR.position)
        await covered_ledger(Floored(FAR), "ns", state, Timing())
        return loop.time()

    assert virtual_time.run(wait()) == pytest.approx(3.0, abs=0.01)
