"""If the view of the cluster is too old, a push waits a moment before it is refused."""

import asyncio

import pytest

from app.quota.state import StateUnavailableError
from tests.unit.image_requests import named, stream
from tests.unit.reviews import decide, service

LATE = "imagestreams.image.alauda.io: the watch is 6 s behind (limit: 5 s)"


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
