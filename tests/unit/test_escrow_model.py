"""No order of events exceeds the limit, and after the end of all requests no place is missing."""

from itertools import chain

import pytest

from app.quota import escrow
from app.quota.escrow import Holding
from app.quota.ledger import Ledger
from tests.unit.escrow_model import LIMIT, State, bounds, explore, places_in_the_end


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(bounds(pushes=2, deletes=1), id="a deletion"),
        pytest.param(bounds(pushes=2, ticks=1, crashes=1), id="a crash"),
        pytest.param(bounds(pushes=3), id="three pushes"),
        pytest.param(bounds(pushes=3, renewals=1), id="a renewal"),
    ],
)
def test_no_order_of_events_passes_the_limit_or_loses_a_place(most: State) -> None:
    count = 0
    for state in explore(most):
        count += 1
        assert len(state.stored) <= LIMIT, state
        assert places_in_the_end(state) == LIMIT - len(state.stored), state
    assert count > 1000, "the model tries too little"


def give_back_nameless(ledger: Ledger, holding: Holding, now: float) -> None:
    del ledger.escrows[holding.escrow.key]


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        pytest.param(Ledger, "places", 0, id="nobody counts an escrow"),
        pytest.param(Holding, "admits", lambda *_: True, id="an escrow has no end"),
        pytest.param(escrow, "give_back", give_back_nameless, id="nothing is named"),
        pytest.param(Holding, "take_back", lambda *_: None, id="a write that meets another"),
    ],
)
def test_the_model_notices_a_rule_that_is_left_out(
    owner: object, name: str, broken: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)

    states = chain(explore(bounds(2, deletes=1)), explore(bounds(3, renewals=1)))
    assert any(len(state.stored) > LIMIT for state in states)
