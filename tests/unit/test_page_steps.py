"""Long lists of the page are worked on in steps, between which reviews run."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from app.model.limits import NO_LIMITS, NamespaceLimits
from app.page import steps, tags
from app.page.query import Query, counts, select
from app.page.rows import Column, StreamRow, natural, of_stream
from app.quota.usage import StreamUsage
from app.reporting.stored_bytes import StoredBytes
from tests.unit.overviews import overview
from tests.unit.stores import DOMAIN, FakeState, limit

MANY = 10_000
LIMITS = NamespaceLimits(stream_images=limit("1"), stream_tags=limit("2"))


@pytest.mark.parametrize("length", [0, 1, 2, 1_999, 2_000, 2_001, 4_000, 9_999])
@pytest.mark.parametrize("reverse", [False, True])
async def test_the_order_is_that_of_a_stable_sort(length: int, reverse: bool) -> None:
    chosen = random.Random(length)
    items = [(chosen.randrange(50), number) for number in range(length)]

    found = await steps.ordered(items, lambda item: float(item[0]), reverse=reverse)

    assert found == sorted(items, key=lambda item: item[0], reverse=reverse)


async def test_a_sum_is_the_sum() -> None:
    assert await steps.total(iter(range(1000))) == 499_500


ROWS = [StreamRow(f"s-{n}", 1, 1, 0, n, 0, n / MANY, -1.0) for n in range(MANY)]
STATE = FakeState(LIMITS)
for number in range(MANY):
    STATE.store("team-a", f"stream-{number}", {"v1": ()})
STATE.store("team-b", "wide", {f"v{number}": () for number in range(MANY)})
WORK: dict[str, Callable[[], Awaitable[object]]] = {
    "streams": lambda: overview(STATE, lambda: ["team-a"]).streams("team-a"),
    "the fullest stream of a namespace": lambda: overview(STATE, lambda: ["team-a"]).namespaces(),
    "a filter": lambda: select(ROWS, Query("s-", "high")),
    "an order": lambda: select(ROWS, Query(sort="size")),
    "counts": lambda: counts(ROWS, None),
    "tags": lambda: tags.names(STATE.usage("team-b").streams["wide"], "v"),
}


@pytest.mark.parametrize("name", WORK)
async def test_reviews_run_while_a_long_list_is_worked_on(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(steps, "_SLICE", 0.0)
    turns = 0

    async def review() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(review())
    await WORK[name]()
    running.cancel()

    assert turns >= MANY / steps._STRIDE


@pytest.mark.parametrize("limits", [LIMITS, NO_LIMITS, NamespaceLimits(stream_tags=limit("0"))])
@pytest.mark.parametrize("tags", [0, 1, 2, 3])
def test_a_small_row_has_the_numbers_of_a_full_row(limits: NamespaceLimits, tags: int) -> None:
    stream = StreamUsage({f"v{number}": (f"sha256:{number:064}",) for number in range(tags)})
    stored = StoredBytes(7, 1)

    small = StreamRow.of("app", stream, limits, stored)

    full = of_stream("app", stream, limits, DOMAIN, stored)
    columns: list[Column | None] = [None, "images", "tags", "streams"]
    assert [small.share(one) for one in columns] == [full.share(one) for one in columns]
    assert (small.over, small.growth, small.size) == (full.over, full.growth, full.size)
    assert (small.stored, of_stream("app", small, limits, DOMAIN).levels) == (stored, full.levels)


def test_any_two_names_have_an_order() -> None:
    chosen = random.Random(1)
    names = {"".join(chosen.choices("a0-1", k=chosen.randrange(1, 5))) for _ in range(300)}

    ordered = sorted(names, key=natural)

    assert set(ordered) == names
    assert ordered.index("a") < ordered.index("a0")
