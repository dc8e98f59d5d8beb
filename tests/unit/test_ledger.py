"""A reservation counts until observed usage alone tells the truth about its members."""

import pytest

from app.quota.ledger import Ledger, Reservation, Timing, holder_of
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage

TAG = Members(frozenset({"app"}), tags=frozenset({("app", "v1")}))
SPREAD = Timing(lag=8, skew=2)
RESERVATION = Reservation("holder", TAG, claimed_at=100.0, expires_at=190.0)


def usage(*tags: str) -> NamespaceUsage:
    observed = NamespaceUsage()
    if tags:
        observed.put("app", StreamUsage(dict.fromkeys(tags, ())))
    return observed


def used(ledger: Ledger, observed: NamespaceUsage, view: float) -> int:
    return ledger.effective(observed, view).assess(Claims("ns")).namespace.image_tags.used


@pytest.mark.parametrize(
    ("observed", "now", "view", "counted"),
    [
        pytest.param(usage(), 101, 101, 1, id="admitted and not stored yet"),
        pytest.param(usage("v1"), 101, 101, 1, id="stored: never counted twice"),
        pytest.param(usage("v2"), 101, 101, 2, id="on top of what is stored"),
        pytest.param(usage(), 191, 189, 1, id="expired, but a late event may still come"),
        pytest.param(usage(), 191, 190, 0, id="expired for a view that is newer"),
    ],
)
def test_effective_use(observed: NamespaceUsage, now: float, view: float, counted: int) -> None:
    ledger = Ledger([RESERVATION])

    ledger.settle(observed, now=now, view=view, timing=Timing())

    assert used(ledger, observed, view) == counted


def test_a_stored_member_that_is_deleted_again_gives_its_place_back() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), now=102, view=102, timing=SPREAD)

    assert used(ledger, usage(), view=104) == 0


def test_what_a_view_from_before_the_claim_shows_fulfils_nothing() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), now=101, view=101, timing=SPREAD)

    assert used(ledger, usage(), view=101) == 1


def test_a_replica_that_lags_counts_what_another_one_has_seen_stored() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), now=105, view=105, timing=SPREAD)

    assert used(ledger, usage(), view=104) == 1


def test_it_counts_where_the_view_is_the_same_but_what_came_after_it_is_not_seen_yet() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), now=105, view=104, timing=SPREAD)

    assert used(ledger, usage(), view=104) == 1


def test_what_has_expired_does_not_come_to_count_again() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), now=191, view=190, timing=SPREAD)

    assert used(ledger, usage(), view=190) == 0


def test_a_fulfilled_reservation_stays_in_the_ledger_until_every_replica_has_seen_it() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage("v1"), now=105, view=105, timing=SPREAD)
    assert len(ledger) == 1

    ledger.settle(usage("v1"), now=117, view=117, timing=SPREAD)
    assert len(ledger) == 0


def test_an_expired_reservation_leaves_the_ledger_after_the_spread() -> None:
    ledger = Ledger([RESERVATION])
    ledger.settle(usage(), now=195, view=195, timing=SPREAD)
    assert len(ledger) == 1

    ledger.settle(usage(), now=200, view=200, timing=SPREAD)
    assert len(ledger) == 0


def test_cancelling_gives_members_back_once() -> None:
    ledger = Ledger([RESERVATION])

    assert ledger.cancel("holder")
    assert not ledger.cancel("holder")
    assert used(ledger, usage(), view=101) == 0


def test_equal_claims_have_one_holder_and_different_claims_different_ones() -> None:
    same = Members(frozenset({"app"}), tags=frozenset({("app", "v1")}))
    moved = [
        Members(frozenset({"app"}), images=frozenset({("app", "v1")})),
        Members(tags=frozenset({("app", "v1")})),
        Members(frozenset({"app"}), tags=frozenset({("app", "v2")})),
    ]

    assert holder_of(same) == holder_of(TAG)
    assert len({holder_of(TAG), *map(holder_of, moved)}) == 4
