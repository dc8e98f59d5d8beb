"""The enforcer admits exactly what fits, whoever asks and however often."""

import asyncio

import pytest

from app.cluster.state import StateUnavailableError
from app.model.limits import NO_LIMITS, NamespaceLimits
from app.quota.enforcer import Enforcer
from app.quota.ledger import Ledger, Timing
from app.quota.members import Claims, Members
from app.quota.store import LedgerConflictError, MemoryLedgers
from tests.unit.stores import DOMAIN, FakeState, quota

LIMITED = NamespaceLimits(quotas=(quota(image_tags=2),))


def tag(name: str) -> Claims:
    return Claims("ns", Members(frozenset({"app"}), tags=frozenset({("app", name)})))


def enforcer(state: FakeState, ledgers: MemoryLedgers | None = None) -> Enforcer:
    timing = Timing(expiry=90)
    return Enforcer(state, ledgers or MemoryLedgers(), DOMAIN, timing, clock=state.clock)


async def allowed(subject: Enforcer, claims: Claims, *, reserve: bool = True) -> bool:
    return (await subject.decide(claims, reserve=reserve)).allowed


async def test_500_concurrent_pushes_against_a_limit_of_100_give_exactly_100() -> None:
    subject = enforcer(FakeState(NamespaceLimits(quotas=(quota(image_tags=100),))))

    verdicts = await asyncio.gather(*(subject.decide(tag(f"v{n}")) for n in range(500)))

    assert sum(verdict.allowed for verdict in verdicts) == 100
    assert subject.reservations() == 100


async def test_a_retry_costs_nothing() -> None:
    subject = enforcer(FakeState(LIMITED))

    assert [await allowed(subject, tag(name)) for name in ("v1", "v1", "v1", "v2", "v3")] == [
        True, True, True, True, False,
    ]  # fmt: skip


async def test_a_retry_renews_its_reservation() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    await subject.decide(tag("v1"))
    state.now += 60
    await subject.decide(tag("v1"))

    state.now += 60
    assert not await allowed(subject, tag("v2"))
    state.now += 31
    assert await allowed(subject, tag("v2"))


async def test_a_dry_run_is_decided_and_reserves_nothing() -> None:
    subject = enforcer(FakeState(NamespaceLimits(quotas=(quota(image_tags=1),))))

    assert await allowed(subject, tag("v1"), reserve=False)
    assert subject.reservations() == 0
    assert await allowed(subject, tag("v2"))
    assert not await allowed(subject, tag("v1"), reserve=False)


async def test_a_push_that_became_real_is_counted_once() -> None:
    state = FakeState(LIMITED)
    subject = enforcer(state)
    await subject.decide(tag("v1"))
    state.store("ns", "app", {"v1": ("d1",)})

    assert await allowed(subject, tag("v2"))
    assert not await allowed(subject, tag("v3"))


async def test_a_push_that_failed_after_admission_gives_its_place_back_when_it_expires() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    await subject.decide(tag("v1"))

    state.now += 89
    assert not await allowed(subject, tag("v2"))
    state.now += 1
    assert await allowed(subject, tag("v2"))


async def test_an_expired_place_is_not_given_away_while_the_view_is_older() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    await subject.decide(tag("v1"))

    state.now, state.lag = state.now + 100, 20
    assert not await allowed(subject, tag("v2"))


async def test_a_cancelled_holder_gives_its_place_back_at_once() -> None:
    subject = enforcer(FakeState(NamespaceLimits(quotas=(quota(image_tags=1),))))
    await subject.decide(tag("v1"), holder="upload")

    assert await subject.cancel("ns", "upload")
    assert not await subject.cancel("ns", "upload")
    assert await allowed(subject, tag("v2"))


@pytest.mark.parametrize(
    ("limits", "claims"),
    [
        pytest.param(NO_LIMITS, tag("v1"), id="a namespace without limits"),
        pytest.param(LIMITED, Claims("ns"), id="a request that claims nothing"),
    ],
)
async def test_what_needs_no_counting_touches_no_ledger(
    limits: NamespaceLimits, claims: Claims
) -> None:
    subject = enforcer(FakeState(limits), Untouchable())

    assert await allowed(subject, claims)


async def test_a_state_that_is_not_loaded_is_never_decided_on() -> None:
    state = FakeState(NO_LIMITS)
    state.reasons = ["imagestreams: not loaded"]

    with pytest.raises(StateUnavailableError, match="imagestreams: not loaded"):
        await enforcer(state).decide(tag("v1"))


async def test_a_conflict_is_decided_again_on_what_the_other_replica_wrote() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    ledgers = Contended(conflicts=1)
    other = enforcer(state, ledgers.other)
    await other.decide(tag("theirs"))

    assert not await allowed(enforcer(state, ledgers), tag("ours"))


async def test_endless_conflicts_end_in_a_refusal_that_can_be_retried() -> None:
    state = FakeState(LIMITED)

    with pytest.raises(StateUnavailableError, match="too busy"):
        await enforcer(state, Contended(conflicts=1000)).decide(tag("v1"))


async def test_a_store_that_hangs_ends_at_the_deadline_and_hurts_no_other_namespace() -> None:
    subject = enforcer(FakeState(LIMITED), Hanging())

    with pytest.raises(StateUnavailableError, match=r"was not decided in 0\.05 s"):
        await subject.decide(tag("v1"), within=0.05)
    elsewhere = Claims("other", tag("v1").adds)
    assert (await subject.decide(elsewhere, within=5)).allowed


async def test_a_store_that_fails_is_a_refusal_that_can_be_retried() -> None:
    with pytest.raises(StateUnavailableError, match="disk on fire"):
        await enforcer(FakeState(LIMITED), Untouchable()).decide(tag("v1"))


class Untouchable(MemoryLedgers):
    async def load(self, namespace: str) -> tuple[Ledger, str]:
        raise OSError("disk on fire")


class Hanging(MemoryLedgers):
    async def load(self, namespace: str) -> tuple[Ledger, str]:
        if namespace == "ns":
            await asyncio.Event().wait()
        return await super().load(namespace)


class Contended(MemoryLedgers):
    """Another replica's write gets in between the first reads and writes."""

    def __init__(self, conflicts: int) -> None:
        super().__init__()
        self.conflicts = conflicts
        self.other = MemoryLedgers()

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        theirs, version = await self.other.load(namespace)
        return Ledger(theirs), version

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        if self.conflicts:
            self.conflicts -= 1
            raise LedgerConflictError
        await self.other.save(namespace, ledger, version)
