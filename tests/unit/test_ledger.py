"""A reservation counts until the observed usage alone has its members or it has expired."""

import pytest

from app.quota.ledger import Ledger, Reservation
from app.quota.members import Claims, Members, holder_of
from app.quota.usage import NamespaceUsage, StreamUsage
from app.quota.view import Floor, Timing, View

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
        pytest.param(
            usage("v2"), View(60, 101), 1, 0,
            id="gone again, but its stream is seen: it was stored with it",
        ),
        pytest.param(usage(), View(60, 189), 1, 1, id="expired, but a late event may still come"),
        pytest.param(usage(), View(60, 190), 0, 0, id="expired for a view that is newer"),
    ],
)  # fmt: skip
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


def app(*tags: str) -> Claims:
    return Claims("ns", Members(tags=frozenset(("app", tag) for tag in tags)))


def push(tag: str, digest: str) -> Claims:
    return Claims("ns", Members(images=frozenset({("app", digest)})) | app(tag).adds)


def test_an_empty_ledger_keeps_nothing_of_the_members_that_were_claimed() -> None:
    """The ledger of a service that runs alone lasts as long as its process."""
    ledger = Ledger()
    ledger.reserve("settled", push("v1", "d1"), usage("old"), 190.0)
    ledger.reserve("cancelled", push("v1", "d2"), usage("old"), 190.0)
    ledger.settle(usage("old", "v1"), View(60, 101))
    ledger.cancel("cancelled")
    ledger.settle(usage("old"), View(60, 191))

    assert len(ledger) == 0
    assert ledger._index() == {}


def test_members_that_are_stored_with_one_that_is_seen_give_their_places_back_at_once() -> None:
    ledger = Ledger()
    ledger.reserve("holder", app("v1", "v2", "v3"), usage("old"), 190.0)

    assert ledger.settle(usage("old", "v2"), View(60, 101))

    assert len(ledger) == 0


@pytest.mark.parametrize(
    ("others", "left"),
    [
        pytest.param([], [], id="nobody else claims its tag"),
        pytest.param([("before", push("v1", "d9"))], ["before", "holder"], id="claimed before"),
        pytest.param([("after", push("v1", "d9"))], ["after", "holder"], id="claimed since"),
        pytest.param([("holder", app("v1"))], ["holder"], id="the holder has claimed it again"),
        pytest.param([("other", app("v2"))], ["other"], id="others claim something else"),
    ],
)
def test_a_member_that_another_request_may_have_stored_is_no_proof(
    others: list[tuple[str, Claims]], left: list[str]
) -> None:
    ledger = Ledger()
    for holder, claims in others:
        if holder == "before":
            ledger.reserve(holder, claims, usage("old"), 190.0)
    ledger.reserve("holder", app("v1"), usage("old"), 190.0)
    for holder, claims in others:
        if holder != "before":
            ledger.reserve(holder, claims, usage("old"), 190.0)

    ledger.settle(usage("old", "v1"), View(60, 101))

    assert sorted(row.holder for row in ledger) == left


def test_a_member_stored_before_its_claim_stays_reserved_until_expiry() -> None:
    ledger = Ledger()
    ledger.reserve("holder", app("v1"), usage("v1"), 190.0)

    ledger.settle(usage("v1"), View(60, 101))

    assert used(ledger, usage("other")) == 2


def test_the_review_of_a_checked_push_takes_its_reservation_over() -> None:
    ledger, pushed = Ledger(), push("v1", "d1")
    with_stream = Claims("ns", pushed.adds | Members(frozenset({"app"})))
    ledger.reserve("push-1", with_stream, usage(), 190.0)
    ledger.reserve("push-2", with_stream, usage(), 190.0)
    ledger.reserve("push-3", push("v1", "d2"), usage(), 190.0)

    ledger.reserve("review", pushed, usage(), 191.0)

    assert sorted(row.holder for row in ledger) == ["push-2", "push-3", "review"]
    assert next(row.members for row in ledger if row.holder == "review") == with_stream.adds


def test_a_review_that_alone_follows_its_push_check_is_settled_by_the_sight_of_it() -> None:
    ledger, pushed = Ledger(), push("v1", "d1")
    ledger.reserve("push-1", pushed, usage("old"), 190.0)
    ledger.reserve("review", pushed, usage("old"), 191.0)

    assert ledger.settle(usage("old", "v1"), View(60, 101))


def test_different_claims_have_different_holders() -> None:
    members = [
        TAG,
        Members(frozenset({"app"}), images=frozenset({("app", "v1")})),
        Members(tags=frozenset({("app", "v1")})),
        Members(frozenset({"app"}), tags=frozenset({("app", "v2")})),
        Members(frozenset({"app", ""}), tags=frozenset({("app", "v1")})),
        Members(frozenset({"app\n"}), tags=frozenset({("app", "v1")})),
        Members(images=frozenset({("a@b", "c")})),
        Members(images=frozenset({("a", "b@c")})),
        Members(tags=frozenset({("app", "\ud800")})),
    ]
    claims = [Claims("ns", each) for each in members] + [Claims("ns", removes=TAG)]

    assert len({holder_of(each) for each in claims}) == len(claims)
    assert holder_of(Claims("ns", Members() | TAG)) == holder_of(claims[0])


def test_holder_name_is_stable_across_versions() -> None:
    claimed = Members(
        frozenset({"web", "app"}), frozenset({("app", "d1")}), frozenset({("app", "v1")})
    )

    assert holder_of(Claims("ns", claimed)) == "777a6ec2a16bf1b9df5d3d33f7e17a32"
