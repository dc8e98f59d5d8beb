"""Measuring the API server's clock by its responses."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.cluster.clock import ServerClock

NOON = 1_800_000_000.0


def clock_that_nobody_sets() -> ServerClock:
    return ServerClock(lambda: NOON)


def answered(clock: ServerClock, at: float, *, offset: float, took: float = 0.0) -> None:
    """A response that is sent just before it arrives, by a server that is `offset` seconds
    ahead."""
    clock.observe(math.floor(at + offset), sent=at - took, received=at)


def test_nothing_is_known_before_the_first_answer() -> None:
    assert clock_that_nobody_sets().error == math.inf


@pytest.mark.parametrize(("offset", "behind"), [(7.0, True), (-7.0, False)])
def test_one_answer_bounds_the_offset_to_a_second(offset: float, behind: bool) -> None:
    clock = clock_that_nobody_sets()

    answered(clock, NOON + 0.3, offset=offset)

    assert 7.0 <= clock.error <= 8.0
    assert clock.behind is behind


def test_more_answers_narrow_the_offset() -> None:
    clock = clock_that_nobody_sets()

    for number in range(10):
        answered(clock, NOON + number * 1.1, offset=0.0)

    assert clock.error < 0.2


def test_slow_answer_does_not_mean_a_wrong_clock() -> None:
    clock = clock_that_nobody_sets()
    answered(clock, NOON, offset=0.0)

    answered(clock, NOON + 6.5, offset=0.0, took=5.0)

    assert clock.error <= 1.01


def test_changed_clock_is_noticed() -> None:
    clock = clock_that_nobody_sets()
    for number in range(10):
        answered(clock, NOON + number * 1.1, offset=0.0)

    answered(clock, NOON + 12, offset=60.0)

    assert 60.0 <= clock.error <= 61.0


@pytest.mark.parametrize("seconds", [60.0, -60.0])
def test_a_set_clock_is_noticed_before_the_next_answer(seconds: float) -> None:
    ahead = [NOON]
    clock = ServerClock(lambda: ahead[0])
    answered(clock, NOON + 0.5, offset=0.0)

    ahead[0] += seconds

    assert clock.error == 60.5
    assert clock.behind is (seconds < 0)


def test_a_wrong_clock_that_is_set_right_is_right_at_once() -> None:
    ahead = [NOON]
    clock = ServerClock(lambda: ahead[0])
    answered(clock, NOON + 0.5, offset=60.0)
    assert clock.error == 60.5

    ahead[0] += 60
    assert clock.error == 0.5

    answered(clock, NOON + 61.2, offset=0.0)
    assert clock.error < 0.81


def test_a_doubtful_clock_is_compared_anew() -> None:
    clock = clock_that_nobody_sets()
    answered(clock, NOON + 0.5, offset=0.0)

    clock.doubt()

    assert clock.error == math.inf
    answered(clock, NOON + 1.5, offset=0.0)
    assert clock.error == 0.5


@pytest.mark.parametrize(("fraction", "behind"), [(0.2, True), (0.8, False)])
def test_the_larger_possible_error_gives_the_direction(fraction: float, behind: bool) -> None:
    clock = clock_that_nobody_sets()

    answered(clock, NOON + fraction, offset=0.0)

    assert clock.error == pytest.approx(0.8)
    assert clock.behind is behind


@settings(deadline=None)
@given(
    offset=st.floats(-100, 100),
    drift=st.floats(-0.001, 0.001),
    answers=st.lists(st.tuples(st.floats(0.01, 300), st.floats(0, 10)), min_size=1, max_size=30),
)
@example(offset=0.0, drift=0.001, answers=[(0.95, 0.0), (100.0, 0.0)])
def test_the_true_offset_is_never_outside_the_bounds(
    offset: float, drift: float, answers: list[tuple[float, float]]
) -> None:
    """`drift`: seconds that the server's clock gains in each second."""
    clock, now = clock_that_nobody_sets(), NOON

    for pause, took in answers:
        now += pause + took
        true_offset = offset + drift * (now - NOON)
        answered(clock, now, offset=true_offset, took=took)

    assert clock.error >= abs(true_offset) - 1e-6
