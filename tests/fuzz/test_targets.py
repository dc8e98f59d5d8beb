"""Every target on its seeds, on past findings, and on some mutations of both."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .target import Target
from .targets import ALL

TARGETS = pytest.mark.parametrize("target", ALL.values(), ids=ALL)


@TARGETS
def test_seeds_and_past_findings(target: Target) -> None:
    for data in (*target.seeds, *target.findings, b""):
        target.check(data)


@TARGETS
def test_fuzz_targets_survive_mutations(target: Target) -> None:
    known = (*target.seeds, *target.findings)

    @settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(known), st.integers(0, 2**32), st.integers(1, 3))
    def mutated(data: bytes, seed: int, times: int) -> None:
        random = Random(seed)
        for _ in range(times):
            data = target.mutate(data, random)
        target.check(data)

    mutated()


@TARGETS
def test_fuzz_targets_survive_any_bytes(target: Target) -> None:
    @settings(deadline=None, max_examples=50)
    @given(st.binary(max_size=200))
    def anything(data: bytes) -> None:
        target.check(data)

    anything()
