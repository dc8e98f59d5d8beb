"""The enforcer with other replicas, and with a store that conflicts, fails or hangs."""

import asyncio

import pytest

from app.model.limits import NamespaceLimits
from app.quota.ledger import Reservation
from app.quota.members import Claims
from app.quota.state import StateUnavailableError
from tests.patience import PATIENCE
from tests.unit.ledgers import AlwaysLate, Hanging, Replica, Untouchable, Versioned
from tests.unit.stores import FakeState, quota
from tests.unit.test_enforcer import LIMITED, allowed, decide, enforcer, tag


async def test_conflict_is_decided_again_on_the_new_ledger() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    shared = Versioned()
    ours, theirs = Replica(shared), Replica(shared)
    await decide(enforcer(state, theirs), tag("theirs"))

    assert not await allowed(enforcer(state, ours), tag("ours"))
    assert ours.conflicts == 1


async def test_refusal_needs_an_unchanged_ledger() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    shared = Versioned()
    ours, theirs = Replica(shared), Replica(shared)
    await decide(enforcer(state, ours), tag("upload"), holder="upload")
    await theirs.refresh("ns")
    await enforcer(state, theirs).cancel("ns", "upload")

    assert await allowed(enforcer(state, ours), tag("next"))
    assert ours.conflicts == 0


async def test_three_replicas_admit_exactly_the_limit_together() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=50),)))
    shared = Versioned()
    replicas = [enforcer(state, Replica(shared)) for _ in range(3)]

    verdicts = await asyncio.gather(
        *(decide(replicas[number % 3], tag(f"v{number}"), within=PATIENCE) for number in range(300))
    )

    assert sum(verdict.allowed for verdict in verdicts) == 50


async def test_endless_conflicts_end_at_the_deadline_with_503() -> None:
    with pytest.raises(StateUnavailableError, match="was not decided"):
        await decide(enforcer(FakeState(LIMITED), AlwaysLate(Versioned())), tag("v1"), within=0.1)


async def test_hanging_store_ends_at_the_deadline_for_its_namespace_only() -> None:
    subject = enforcer(FakeState(LIMITED), Hanging())

    with pytest.raises(StateUnavailableError, match=r"was not decided in 0\.05 s"):
        await decide(subject, tag("v1"), within=0.05)
    elsewhere = Claims("other", tag("v1").adds)
    assert (await decide(subject, elsewhere, within=PATIENCE)).allowed


async def test_failing_store_answers_503() -> None:
    with pytest.raises(StateUnavailableError, match="disk on fire"):
        await decide(enforcer(FakeState(LIMITED), Untouchable()), tag("v1"))


async def test_cancel_is_retried_on_the_new_ledger() -> None:
    state, shared = FakeState(LIMITED), Versioned()
    ours, theirs = Replica(shared), Replica(shared)
    await decide(enforcer(state, ours), tag("upload"), holder="upload")
    await theirs.refresh("ns")
    await decide(enforcer(state, theirs), tag("other"), holder="other")

    assert await enforcer(state, ours).cancel("ns", "upload")
    assert [held.holder for held in shared.ledger] == ["other"]


async def test_cancel_reports_endless_conflicts() -> None:
    ledgers = AlwaysLate(Versioned())
    ledgers.hold(Reservation("upload", tag("v1").adds, 2000.0))

    with pytest.raises(StateUnavailableError, match="the ledger of namespace ns is too busy"):
        await enforcer(FakeState(LIMITED), ledgers).cancel("ns", "upload")


async def test_cancelling_finds_a_reservation_of_another_replica() -> None:
    state, shared = FakeState(LIMITED), Versioned()
    ours, theirs = Replica(shared), Replica(shared)
    await theirs.refresh("ns")
    await decide(enforcer(state, ours), tag("upload"), holder="upload")

    assert await enforcer(state, theirs).cancel("ns", "upload")
    assert len(shared.ledger) == 0
