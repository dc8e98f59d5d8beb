"""In any order of events, the stored objects never exceed a limit."""

from itertools import product

import pytest

from tests.unit.quota_guide import follow
from tests.unit.quota_paths import PATHS
from tests.unit.quota_rules import WITHOUT
from tests.unit.quota_walk import Walk
from tests.unit.quota_world import MAX_ERROR, TIMING


def first_excess(seed: int, steps: int = 1000) -> str:
    walk = Walk(seed)
    for number in range(steps):
        step = walk.step()
        for excess in walk.oracle.excess:
            return f"step {number}, {step}: {excess}"
        latest = walk.now + 2 * (MAX_ERROR + TIMING.expiry)
        assert all(reservation.expires_at <= latest for reservation in walk.shared.ledger)
    return ""


def first_excess_on_paths() -> str:
    for name, seed in product(PATHS, range(8)):
        for walk in follow(*PATHS[name], seed):
            for excess in walk.oracle.excess:
                return f"{name}, {seed}: {excess}"
    return ""


def test_hard_paths_pass_no_limit() -> None:
    assert first_excess_on_paths() == ""


@pytest.mark.parametrize("seed", range(120))
def test_a_long_walk_never_passes_a_limit(seed: int) -> None:
    assert first_excess(seed) == ""


FOUND = {
    "a retry may be a second request": 50,
    "an image is freed by the last stream that has it": 300,
    "an escrow counts in every stream": 62,
}
"""The walks that find rare faults. They are taken first, to save time."""


@pytest.mark.parametrize("rule", WITHOUT)
def test_the_walk_notices_a_rule_that_is_left_out(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, broken in WITHOUT[rule]:
        monkeypatch.setattr(owner, name, broken)

    seeds = [FOUND.get(rule, 0), *range(400)]
    assert first_excess_on_paths() or any(first_excess(seed) for seed in seeds)
