"""Whatever happens in whatever order, what is stored never passes a limit."""

import pytest

from app.quota.effective import Effective
from app.quota.ledger import Ledger, Reservation, View
from app.quota.members import NONE, Claims
from app.quota.usage import NamespaceUsage
from tests.unit.quota_walk import MAX_ERROR, TIMING, Walk


def first_excess(seed: int, steps: int = 1000) -> str:
    walk = Walk(seed)
    for number in range(steps):
        step = walk.step()
        for excess in walk.excess():
            return f"step {number}, {step}: {excess}"
        latest = walk.now + MAX_ERROR + TIMING.expiry
        assert all(reservation.expires_at <= latest for reservation in walk.ledger)
    return ""


@pytest.mark.parametrize("seed", range(100))
def test_a_long_walk_never_passes_a_limit(seed: int) -> None:
    assert first_excess(seed) == ""


def reserve_only_what_is_missing(
    self: Ledger, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    if usage.missing(claims.adds):
        RESERVE(self, holder, claims, usage, expires_at)


def reserve_anew(
    self: Ledger, holder: str, claims: Claims, usage: NamespaceUsage, expires_at: float
) -> None:
    self.cancel(holder)
    RESERVE(self, holder, claims, usage, expires_at)


def settle_early(self: Ledger, usage: NamespaceUsage, view: View) -> bool:
    return SETTLE(self, usage, View(view.position, view.time + TIMING.lag + TIMING.skew))


def settle_member_by_member(self: Ledger, usage: NamespaceUsage, view: View) -> bool:
    """Whatever is seen is taken for stored by whoever claimed it."""
    rows = {row.holder: row for row in self}
    for holder, row in rows.items():
        self.cancel(holder)
        left = usage.missing(row.members)
        if left and row.expires_at > view.time:
            self._put(Reservation(holder, left, row.expires_at, NONE, row.removes))
    return len(self) != len(rows)


RESERVE, SETTLE = Ledger.reserve, Ledger.settle
Rule = tuple[type, str, object]

WITHOUT: dict[str, list[Rule]] = {
    "what is stored is reserved as well": [(Ledger, "reserve", reserve_only_what_is_missing)],
    "a retry may be a second request": [(Ledger, "reserve", reserve_anew)],
    "only what nobody else claims is proof": [(Ledger, "settle", settle_member_by_member)],
    "a later claim takes the proof away": [(Ledger, "_share", lambda *_: None)],
    "what was claimed before is no proof": [(Ledger, "_index", lambda _: {})],
    "removed members are relied on by nobody": [
        (Effective, "_is_unsure_image", lambda *_: False),
        (Effective, "_is_unsure_tag", lambda *_: False),
    ],
    "reserved images are freed by nobody": [
        (Effective, "_frees_image", lambda self, pair: self._usage.has_image(*pair)),
        (Effective, "_frees", lambda self, *pair: self._usage.has_image(*pair)),
    ],
    "reserved tags are freed by nobody": [
        (Effective, "_frees_tag", lambda self, pair: self._usage.has_tag(*pair)),
    ],
    "an image is freed by the last stream that has it": [
        (Effective, "_frees", lambda self, *pair: self._frees_image(pair)),
    ],
    "a missing stream's members count once it is made": [(Effective, "_make", lambda *_: None)],
    "whoever makes a stream asks for what is reserved in it": [
        (Effective, "_unmade_tags", lambda *_: 0),
        (Effective, "_unmade_images", lambda *_: set()),
    ],
    "who decides has seen the floor": [(Ledger, "covered_by", lambda *_: True)],
    "a ledger stays until all have seen its floor": [
        (Ledger, "is_spent", lambda self, *_: not self)
    ],
    "a reservation lasts as long as its request": [(Ledger, "settle", settle_early)],
}


@pytest.mark.parametrize("rules", WITHOUT.values(), ids=WITHOUT.keys())
def test_the_walk_notices_a_rule_that_is_left_out(
    rules: list[Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, broken in rules:
        monkeypatch.setattr(owner, name, broken)

    assert any(first_excess(seed) for seed in range(250))
