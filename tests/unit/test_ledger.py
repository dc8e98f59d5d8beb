"""A reservation counts until observed usage alone tells the truth about its members."""

import pytest

from app.quota.ledger import Floor, Ledger, Reservation, Timing, View, holder_of
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage

TAG = Members(frozenset({"app"}), tags=frozenset({("app", "v1")}))
TIMING = Timing(lag=8, skew=2)
RESERVATION = Reservation("holder", TAG, expires_at=190.0)


def usage(*tags: str) -> NamespaceUsage:
    observed = NamespaceUsage()
    if tags:
        observed.put("app", StreamUsage(dict.fromkeys(tags, ())))
    return observed


def used(ledger: Ledger, observed: NamespaceUsage) -> int:
    return ledger.effective(observed).assess(Claims("ns")).namespace.image_tags.used


@pytest.mark.parametrize(
    ("observed", "view", "counted", "held"),
    [
        pytest.param(usage(), View(60, 101), 1, 1, id="admitted and not stored yet"),
        pytest.param(usage("v1"), View(60, 101), 1, 0, id="stored: never counted twice"),
        pytest.param(usage("v2"), View(60, 101), 2, 1, id="on top of what is stored"),
        pytest.param(usage(), View(60, 189), 1, 1, id="expired, but a late event may still come"),
        pytest.param(usage(), View(60, 190), 0, 0, id="expired for a view that is newer"),
    ],
)
def test_effective_use(observed: NamespaceUsage, view: View, counted: int, held: int) -> None:
    ledger = Ledger([RESERVATION])

    assert ledger.settle(observed, view) == (held == 0)

    assert (used(ledger, observed), len(ledger)) == (counted, held)


def test_a_stored_member_that_is_deleted_again_gives_its_place_back() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), View(60, 102))

    assert used(ledger, usage()) == 0


@pytest.mark.parametrize(
    ("view", "covered"),
    [
        pytest.param(View(70, 95), True, id="as much seen as the ledger's writer had"),
        pytest.param(View(69, 95), False, id="something that it rests on may be unseen"),
        pytest.param(View(5, 102), True, id="newer by more than clocks differ, counted anew"),
        pytest.param(View(5, 101), False, id="newer, but clocks differ"),
    ],
)
def test_ledger_needs_a_view_past_its_floor(view: View, covered: bool) -> None:
    assert Ledger(floor=Floor(70, 100.0)).covered_by(view, TIMING) == covered


@pytest.mark.parametrize(
    ("held", "now", "spent"),
    [
        pytest.param([], 111, False, id="a replica may decide that has not seen its floor"),
        pytest.param([], 112, True, id="every replica that may decide has seen its floor"),
        pytest.param([RESERVATION], 500, False, id="something is reserved"),
    ],
)
def test_ledger_may_be_deleted_when_empty_and_seen(
    held: list[Reservation], now: float, spent: bool
) -> None:
    assert Ledger(held, Floor(70, 100.0)).is_spent(now, TIMING) == spent


def test_cancelling_gives_members_back_once() -> None:
    ledger = Ledger([RESERVATION])

    assert ledger.cancel("holder")
    assert not ledger.cancel("holder")
    assert used(ledger, usage()) == 0


def test_equal_claims_have_one_holder_and_different_claims_different_ones() -> None:
    same = Members(frozenset({"app"}), tags=frozenset({("app", "v1")}))
    moved = [
        Members(frozenset({"app"}), images=frozenset({("app", "v1")})),
        Members(tags=frozenset({("app", "v1")})),
        Members(frozenset({"app"}), tags=frozenset({("app", "v2")})),
    ]

    assert holder_of(same) == holder_of(TAG)
    assert len({holder_of(TAG), *map(holder_of, moved)}) == 4


def test_holder_name_is_stable_across_versions() -> None:
    claimed = Members(
        frozenset({"web", "app"}), frozenset({("app", "d1")}), frozenset({("app", "v1")})
    )

    assert holder_of(claimed) == "01b52e4bbf04086a"
