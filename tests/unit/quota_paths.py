"""Paths that exceed a limit if one rule is missing. Random walks seldom find them."""

from collections.abc import Iterator
from dataclasses import replace

from tests.unit.quota_guide import Guide, Path
from tests.unit.quota_hidden_paths import HIDDEN_PATHS
from tests.unit.quota_world import ESCROW, MAX_ERROR, MAX_LAG, STORAGE, TIMING
from tests.unit.quota_write_paths import WRITE_PATHS


def stored_members_use_places(g: Guide) -> Iterator[None]:
    g.begin({"v1": "d1"})
    g.take_escrow()
    yield
    g.push(g.a, "v1", "d1")
    yield
    g.storage.delete_tag("app", "v1")
    g.look(g.b)
    g.push(g.b, "v2")
    yield
    g.push(g.a, "v3")
    g.store_from(0)
    yield


def a_repair_beside_an_escrow(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    yield
    g.push(g.a, "v1", "d1")
    g.store(1)
    yield
    pushed = g.walk.pushing("app", "v1", "d1")
    adds = replace(pushed.claims.adds, streams=frozenset({"app"}))
    g.admit(g.a, replace(pushed, claims=replace(pushed.claims, adds=adds)))
    g.look(g.b)
    yield
    g.admit(g.b, g.walk.updating("app", "v1", "v1", "d2"))
    g.store(3)
    yield
    g.store(2)
    yield


def a_view_from_before_the_floor(g: Guide) -> Iterator[None]:
    g.begin({"v1": "d1"})
    g.storage.delete_tag("app", "v1")
    g.look(g.a)
    g.push(g.a, "v2")
    g.store(0)
    yield
    g.look(g.a)
    g.walk.tidy_by(g.a)
    g.walk.tidy_by(g.a)
    yield
    g.push(g.b, "v1", "d1")
    g.store(1)
    yield


def stored_at_the_last_moment(g: Guide) -> Iterator[None]:
    """The clock of the admitting replica is slow, and the clocks of the others are fast."""
    g.begin()
    for replica in g.walk.replicas:
        replica.error = MAX_ERROR
    g.a.error = -MAX_ERROR
    g.push(g.a, "v1")
    yield
    for replica in g.walk.replicas:
        replica.error = MAX_ERROR
    g.wait(STORAGE - 1)
    g.walk.tidy_by(g.b)
    g.push(g.b, "v2")
    g.store(0)
    g.store(1)
    yield


def an_escrow_of_long_ago(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    yield
    g.wait(ESCROW + 3 * TIMING.expiry)
    g.walk.tidy_by(g.b)
    g.push(g.b, "v2")
    yield
    g.push(g.a, "v1")
    g.store(1)
    g.store(2)
    yield


def under_other_limits(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    g.push(g.b, "v2")
    yield
    g.walk.world.limit(tags=1)
    g.a.limits = g.walk.world.limits
    g.push(g.a, "v1")
    g.store(1)
    g.store(2)
    yield


def an_update_from_an_escrow(g: Guide) -> Iterator[None]:
    g.begin({"v1": "d1"})
    g.take_escrow()
    g.admit(g.a, g.walk.updating("app", "v1", "v2", "d2"))
    yield
    g.push(g.b, "v1", "d1")
    g.store(1)
    g.store(2)
    yield


def a_push_check_that_is_cancelled(g: Guide) -> Iterator[None]:
    g.begin()
    checked = g.check(g.b, "v1")
    g.take_escrow()
    yield
    g.push(g.a, "v1")
    g.push(g.a, "v2")
    g.walk.shared.ledger.cancel(checked.holder)
    yield
    g.push(g.b, "v3")
    g.store_from(1)
    yield


def a_replica_of_the_version_before(g: Guide) -> Iterator[None]:
    g.c.old = True
    g.storage.make("app")
    g.look(g.a, g.b, g.c)
    g.take_escrow()
    yield
    g.push(g.c, "v1")
    g.push(g.b, "v2")
    g.push(g.a, "v3")
    g.store_from(1)
    yield


def spent_by_a_clock_that_is_fast(g: Guide) -> Iterator[None]:
    for replica in g.walk.replicas:
        replica.error = MAX_ERROR
    g.begin({"v1": "d1"})
    g.a.error = g.b.error = -MAX_ERROR
    g.walk.now += 0.01
    g.storage.delete_tag("app", "v1")
    g.a.read(g.storage, 1000)
    g.push(g.a, "v2")
    g.store(0)
    g.a.read(g.storage, 1000)
    g.walk.tidy_by(g.a)
    yield
    g.walk.now += MAX_LAG - 1.5
    g.look(g.c)
    g.walk.tidy_by(g.c)
    yield
    g.push(g.b, "v1", "d1")
    g.store(1)
    yield


def a_place_that_only_one_has_seen_free(g: Guide) -> Iterator[None]:
    g.begin({"v1": "d1"})
    g.take_escrow()
    yield
    g.storage.delete_tag("app", "v1")
    g.look(g.a)
    g.push(g.a, "v2")
    g.push(g.b, "v1", "d1")
    g.store_from(1)
    yield


def what_has_left_is_claimed_again(g: Guide) -> Iterator[None]:
    g.begin({"v1": "d1"})
    g.admit(g.a, g.walk.updating("app", "v1", "v2", "d2"), take=True)
    yield
    g.store(0)
    g.look(g.a)
    g.push(g.a, "v1", "d1")
    g.store(1)
    yield


def a_review_that_comes_twice_after_its_check(g: Guide) -> Iterator[None]:
    g.begin()
    checked = g.check(g.b, "v1")
    g.take_escrow()
    yield
    review = replace(checked, holder="")
    g.admit(g.a, review)
    g.admit(g.a, review)
    g.walk.give_back_by(g.a)
    yield
    g.store(1)
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    g.storage.delete_tag("app", "v1")
    g.look(g.a, g.b)
    yield
    g.push(g.b, "v2")
    g.push(g.b, "v3")
    g.store_from(2)
    yield


PATHS: dict[str, tuple[Path, dict[str, int]]] = {
    **HIDDEN_PATHS,
    **WRITE_PATHS,
    "what is stored uses places": (stored_members_use_places, {"tags": 2}),
    "a repair beside an escrow": (a_repair_beside_an_escrow, {"images": 1}),
    "a view from before the floor": (a_view_from_before_the_floor, {"tags": 1}),
    "stored at the last moment": (stored_at_the_last_moment, {"tags": 1}),
    "an escrow of long ago": (an_escrow_of_long_ago, {"tags": 1}),
    "under other limits": (under_other_limits, {"tags": 2}),
    "an update from an escrow": (an_update_from_an_escrow, {"tags_of_stream": 1}),
    "a push check that is cancelled": (a_push_check_that_is_cancelled, {"tags": 2}),
    "seen free by one": (a_place_that_only_one_has_seen_free, {"tags_of_stream": 1}),
    "what has left comes again": (what_has_left_is_claimed_again, {"tags_of_stream": 1}),
    "a review that comes twice": (a_review_that_comes_twice_after_its_check, {"tags": 2}),
    "a replica of the version before": (a_replica_of_the_version_before, {"tags": 2}),
    "spent by a clock that is fast": (spent_by_a_clock_that_is_fast, {"tags": 1}),
}
"""The paths, and the limits that each needs."""
