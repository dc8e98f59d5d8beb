"""Growth of a namespace: its images now, and in the oldest sample of a day."""

from app.page.growth import PERIOD, Growth
from tests.unit.stores import FakeState


async def test_growth_is_counted_from_the_oldest_sample_of_a_day() -> None:
    state = FakeState()
    growth = Growth(state, lambda: state.index, state.clock)
    assert (growth.of("team-a", 3), growth.since) == (0, None)

    for sample in range(8):
        state.store("team-a", "app", {f"v{tag}": (f"d{tag}",) for tag in range(sample)})
        await growth.sample()
        state.now += PERIOD

    assert growth.since == 1000.0 + 2 * PERIOD
    assert growth.of("team-a", 7) == 5
    assert growth.of("team-a", 1) == -1
    assert growth.of("new", 4) == 4
