"""Paths that exceed a limit, if a rule is missing, while the outcome of a write is unknown."""

from collections.abc import Iterator

from tests.unit.quota_guide import Guide, Path


def a_write_that_nobody_hears_of(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    yield
    g.walk.world.doubts = 1.0
    g.walk.give_back_by(g.a)
    g.walk.world.doubts = 0.0
    g.walk.arrive()
    yield
    g.push(g.b, "v1")
    g.push(g.b, "v2")
    g.push(g.a, "v3")
    g.store_from(1)
    yield


def named_by_a_write_that_nobody_hears_of(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    yield
    g.push(g.a, "v1", "d1")
    g.walk.world.doubts = 1.0
    g.walk.give_back_by(g.a)
    g.walk.world.doubts = 0.0
    g.walk.arrive()
    yield
    g.store(1)
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    g.storage.delete_tag("app", "v1")
    g.look(g.a, g.b)
    g.push(g.b, "v2")
    yield
    g.walk.give_back_by(g.a)
    g.push(g.b, "v1", "d2")
    g.store_from(2)
    yield


def more_than_is_left_of_the_escrow_before(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    g.push(g.a, "v1")
    g.send(g.a)
    yield
    g.push(g.a, "v2")
    g.push(g.b, "v3")
    g.walk.hear_back()
    g.store_from(1)
    yield


def more_than_the_next_escrow_has(g: Guide) -> Iterator[None]:
    g.begin()
    g.walk.places = 2
    g.take_escrow()
    g.walk.places = 1
    g.send(g.a)
    yield
    g.push(g.a, "v1")
    g.push(g.a, "v2")
    g.walk.hear_back()
    yield
    g.push(g.b, "v3")
    g.push(g.b, "v4")
    g.store_from(1)
    yield


def admitted_beside_a_write_that_meets_another(g: Guide) -> Iterator[None]:
    g.begin()
    g.walk.places = 2
    g.take_escrow()
    g.send(g.a)
    yield
    g.push(g.a, "v1")
    g.push(g.b, "v2")
    g.walk.hear_back()
    yield
    g.walk.give_back_by(g.a)
    g.push(g.b, "v3")
    g.push(g.b, "v4")
    g.store_from(1)
    yield


def seen_free_by_a_write_that_meets_another(g: Guide) -> Iterator[None]:
    g.begin({"v1": "d1"})
    g.take_escrow()
    yield
    g.storage.delete_tag("app", "v1")
    g.look(g.a)
    g.send(g.a)
    g.push(g.a, "v2")
    g.push(g.b, "v1", "d1")
    g.walk.hear_back()
    g.store_from(1)
    yield


WRITE_PATHS: dict[str, tuple[Path, dict[str, int]]] = {
    "a write that nobody hears of": (a_write_that_nobody_hears_of, {"tags": 2}),
    "named by a write": (named_by_a_write_that_nobody_hears_of, {"tags": 1}),
    "more than is left": (more_than_is_left_of_the_escrow_before, {"tags": 2}),
    "more than comes": (more_than_the_next_escrow_has, {"tags": 3}),
    "beside a write": (admitted_beside_a_write_that_meets_another, {"tags": 3}),
    "seen free by a write": (seen_free_by_a_write_that_meets_another, {"tags_of_stream": 1}),
}
"""The paths, and the limits that each needs."""
