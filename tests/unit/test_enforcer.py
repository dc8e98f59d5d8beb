"""The enforcer admits exactly the requests that fit, also retries and concurrent requests."""

import asyncio
from typing import Any

import pytest

from app.admission.enforcer import Enforcer
from app.model.limits import NO_LIMITS, NamespaceLimits
from app.policy.verdict import Verdict
from app.quota.members import Claims, Members
from app.quota.state import StateUnavailableError, view_of
from app.quota.store import MemoryLedgers
from app.quota.view import Timing
from tests.patience import PATIENCE
from tests.unit.ledgers import Replica, Untouchable, Versioned
from tests.unit.stores import DOMAIN, FakeState, quota

LIMITED = NamespaceLimits(quotas=(quota(image_tags=2),))


def tag(name: str) -> Claims:
    return Claims("ns", Members(frozenset({"app"}), tags=frozenset({("app", name)})))


def enforcer(state: FakeState, ledgers: MemoryLedgers | None = None) -> Enforcer:
    timing = Timing(expiry=90)
    return Enforcer(state, ledgers or MemoryLedgers(), DOMAIN, timing, clock=state.clock)


async def decide(
    subject: Enforcer, claims: Claims, within: float = PATIENCE, **options: Any
) -> Verdict:
    """Decide on the limits that the enforcer's state has now."""
    view = view_of(subject._state, claims.namespace)
    return await subject.decide(claims, view, within=within, **options)


async def allowed(subject: Enforcer, claims: Claims, *, reserve: bool = True) -> bool:
    return (await decide(subject, claims, reserve=reserve)).allowed


async def test_500_concurrent_pushes_against_a_limit_of_100_give_exactly_100() -> None:
    subject = enforcer(FakeState(NamespaceLimits(quotas=(quota(image_tags=100),))))

    verdicts = await asyncio.gather(*(decide(subject, tag(f"v{n}")) for n in range(500)))

    assert sum(verdict.allowed for verdict in verdicts) == 100
    assert subject.reservations() == 100


async def test_a_service_that_runs_alone_decides_without_waiting() -> None:
    decision = decide(enforcer(FakeState(LIMITED)), tag("v1"))

    with pytest.raises(StopIteration) as ended:
        decision.send(None)
    assert ended.value.value.allowed


async def test_requests_that_wait_for_the_view_are_decided_in_their_order() -> None:
    state = FakeState(LIMITED)
    subject, state.position = enforcer(state), 20
    assert await allowed(subject, tag("v1"))
    state.position, state.lag = 10, 5
    waiting = [asyncio.create_task(allowed(subject, tag("v2")))]
    for _ in range(3):  # until the worker has looked at the view
        await asyncio.sleep(0)
    state.position = 20
    waiting += [asyncio.create_task(allowed(subject, tag(name))) for name in ("v3", "v4")]

    assert await asyncio.gather(*waiting) == [True, False, False]


async def test_retry_claims_nothing_new() -> None:
    subject = enforcer(FakeState(LIMITED))

    assert [await allowed(subject, tag(name)) for name in ("v1", "v1", "v1", "v2", "v3")] == [
        True, True, True, True, False,
    ]  # fmt: skip
    assert subject.reservations() == 2


async def test_a_retry_renews_its_reservation() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    await decide(subject, tag("v1"))
    state.now += 60
    await decide(subject, tag("v1"))

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


async def test_stored_push_is_counted_once() -> None:
    state = FakeState(LIMITED)
    subject = enforcer(state)
    await decide(subject, tag("v1"))
    state.store("ns", "app", {"v1": ("d1",)})

    assert await allowed(subject, tag("v2"))
    assert not await allowed(subject, tag("v3"))


async def test_failed_push_frees_its_place_at_expiry() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    await decide(subject, tag("v1"))

    state.now += 89
    assert not await allowed(subject, tag("v2"))
    state.now += 1
    assert await allowed(subject, tag("v2"))


async def test_new_image_of_a_deleted_tag_keeps_its_place() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    state.store("ns", "app", {"v1": ("old",)})
    pushed = Members(frozenset({"app"}), frozenset({("app", "new")}), frozenset({("app", "v1")}))
    assert await allowed(subject, Claims("ns", pushed))
    state.store("ns", "app", {})

    assert not await allowed(subject, tag("v2"))


async def test_expired_reservation_counts_while_the_view_is_older() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    subject = enforcer(state)
    await decide(subject, tag("v1"))

    state.now, state.lag = state.now + 100, 20
    assert not await allowed(subject, tag("v2"))


async def test_late_view_does_not_readmit_a_deleted_tag_over_the_limit() -> None:
    shared = Versioned()
    fresh, behind = (FakeState(NamespaceLimits(quotas=(quota(image_tags=1),))) for _ in range(2))
    behind.store("ns", "app", {"v1": ()})
    fresh.position, behind.position, behind.lag = 20, 10, 5
    await decide(enforcer(fresh, Replica(shared)), tag("v2"))
    ledgers = Replica(shared)
    await ledgers.refresh("ns")
    lagging = enforcer(behind, ledgers)

    with pytest.raises(StateUnavailableError, match="was not decided"):
        await decide(lagging, tag("v1"), within=0.05)
    behind.index.put("ns", "app", None)
    behind.position = 20
    assert not await allowed(lagging, tag("v1"))


async def test_repushed_tag_keeps_its_place_during_deletion() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    state.store("ns", "app", {"v1": ("sha256:old",)})
    subject = enforcer(state)
    again = tag("v1").adds | Members(images=frozenset({("app", "sha256:new")}))

    assert await allowed(subject, Claims("ns", again))
    state.index.put("ns", "app", None)
    assert not await allowed(subject, tag("v2"))


async def test_cancelled_holder_frees_its_place_at_once() -> None:
    subject = enforcer(FakeState(NamespaceLimits(quotas=(quota(image_tags=1),))))
    await decide(subject, tag("v1"), holder="upload")

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
async def test_uncounted_requests_touch_no_ledger(limits: NamespaceLimits, claims: Claims) -> None:
    subject = enforcer(FakeState(limits), Untouchable())

    assert await allowed(subject, claims)


async def test_unloaded_state_is_not_decided_on() -> None:
    state = FakeState(NO_LIMITS)
    state.reasons = ["imagestreams: not loaded"]

    with pytest.raises(StateUnavailableError, match="imagestreams: not loaded"):
        await decide(enforcer(state), tag("v1"))


async def test_a_dry_run_writes_no_ledger() -> None:
    shared = Versioned()

    assert await allowed(enforcer(FakeState(LIMITED), Replica(shared)), tag("v2"), reserve=False)
    assert shared.version == 0


async def test_tags_that_a_late_view_still_has_are_not_pushed_for_nothing() -> None:
    """Ten tags fill the namespace; they are deleted, and ten others are pushed and stored."""
    limits = NamespaceLimits(quotas=(quota(image_tags=10),))
    shared, old, new = Versioned(), [f"old{n}" for n in range(10)], [f"new{n}" for n in range(10)]
    fresh, behind = FakeState(limits), FakeState(limits)
    behind.store("ns", "app", dict.fromkeys(old, ("d",)))
    fresh.position, behind.position, behind.lag = 20, 10, 3
    late = enforcer(behind, Replica(shared))
    fresh.store("ns", "app", {})
    for name in new:
        assert await allowed(enforcer(fresh, Replica(shared)), tag(name))
    fresh.store("ns", "app", dict.fromkeys(new, ("d",)))

    for name in old:
        with pytest.raises(StateUnavailableError, match="was not decided"):
            await decide(late, tag(name), within=0.02)


async def test_a_tag_that_is_pushed_to_with_the_same_image_keeps_its_place() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=1),)))
    state.store("ns", "app", {"v1": ("d1",)})
    subject = enforcer(state)
    assert await allowed(subject, tag("v1"))
    state.store("ns", "app", {})

    assert not await allowed(subject, tag("v2"))
    state.now += 90
    assert await allowed(subject, tag("v2"))


def image(stream: str, digest: str) -> Members:
    return Members(images=frozenset({(stream, digest)}))


@pytest.mark.parametrize(
    ("claimed", "hard", "fits"),
    [
        pytest.param(image("web", "d1"), 2, False, id="what leaves is relied on by nobody"),
        pytest.param(image("web", "d1"), 3, True, id="but counts only once"),
        pytest.param(image("web", "d3"), 2, False, id="nor what comes in its place"),
        pytest.param(image("web", "d2"), 2, True, id="what stays costs nothing"),
        pytest.param(image("web", "d4"), 3, False, id="until it is seen both count"),
    ],
)
async def test_an_update_makes_room_for_itself_alone(
    claimed: Members, hard: int, fits: bool
) -> None:
    """The namespace holds d1 and d2; an admitted update swaps d1 for d3."""
    state = FakeState(NamespaceLimits(quotas=(quota(images=hard),)))
    state.store("ns", "app", {"v1": ("d1",), "v2": ("d2",)})
    state.store("ns", "web", {})
    subject = enforcer(state)
    swap = Claims("ns", image("app", "d3"), image("app", "d1"))
    assert await allowed(subject, swap)

    assert await allowed(subject, Claims("ns", claimed)) == fits
    assert await allowed(subject, swap), "a retry is the same request"


async def test_an_update_frees_nothing_that_another_push_relies_on() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(images=2),)))
    state.store("ns", "app", {"v1": ("d1",), "v2": ("d2",)})
    subject = enforcer(state)
    assert await allowed(subject, Claims("ns", image("app", "d1")))

    assert not await allowed(subject, Claims("ns", image("app", "d3"), image("app", "d1")))


async def test_pushes_to_a_stream_that_is_missing_hold_no_places_until_it_is_made() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(images=3),)))
    state.store("ns", "app", {})
    subject = enforcer(state)
    for number in range(3):
        assert await allowed(subject, Claims("ns", image("missing", f"m{number}")))

    assert not await allowed(subject, Claims("ns", image("missing", "m4")))
    for number in range(3):
        assert await allowed(subject, Claims("ns", image("app", f"a{number}")))
    made = Claims("ns", Members(frozenset({"missing"})))
    assert not await allowed(subject, made), "what is reserved in it would come on top"
    state.now += 90
    assert await allowed(subject, made)
