"""Paths that exceed a limit by claims in an escrow, if one rule is missing."""

from collections.abc import Callable, Iterator

from tests.unit.quota_guide import Guide, Path
from tests.unit.quota_replica import Request
from tests.unit.quota_world import ESCROW, MAX_ERROR, STORAGE, TIMING


def a_claim_of_what_is_about_to_expire(g: Guide) -> Iterator[None]:
    g.begin()
    g.push(g.b, "v1", "d1")
    yield
    g.wait(STORAGE - 0.1)
    g.take_escrow()
    yield
    g.store(0)
    g.walk.now += 4
    g.push(g.a, "v1", "another")
    g.wait(3.5)
    g.walk.tidy_by(g.b)
    g.walk.give_back_by(g.a)
    yield
    g.storage.delete_tag("app", "v1")
    g.look(g.a, g.b)
    g.push(g.b, "v2")
    g.push(g.b, "v3")
    g.store_from(2)
    yield


def hidden_claims(
    g: Guide, second: Request, late: float, end: Callable[[], None]
) -> Iterator[None]:
    """An escrow hides the first claim. When its member is stored, the second claim seems stored."""
    g.begin()
    g.take_escrow()
    yield
    g.push(g.a, "v1", "d1")
    g.admit(g.b, second)
    yield
    g.store(1)
    g.wait(late)
    g.walk.tidy_by(g.b)
    end()
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    yield
    g.storage.delete_tag("app", "v1")
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    g.push(g.b, "v3")
    g.push(g.b, "v4")
    g.store_from(2)
    yield


def named_in_time(g: Guide) -> Iterator[None]:
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, 0.1, lambda: g.walk.give_back_by(g.a))


def named_too_late(g: Guide) -> Iterator[None]:
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, ESCROW + 5, lambda: g.walk.give_back_by(g.a))


def named_never(g: Guide) -> Iterator[None]:
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, ESCROW + 5, g.a.crash)


def named_never_and_larger(g: Guide) -> Iterator[None]:
    larger = g.walk.importing("app", ["v1", "v2"], {"v1": "d2", "v2": "d3"})
    return hidden_claims(g, larger, ESCROW + 5, g.a.crash)


def a_proof_that_another_claim_takes(g: Guide) -> Iterator[None]:
    g.begin()
    g.take_escrow()
    g.push(g.a, "v1", "d2")
    g.push(g.b, "v1", "d1")
    yield
    g.store(1)
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    g.walk.give_back_by(g.a, take=True)
    yield
    g.push(g.a, "v3", "d1")
    g.store(3)
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    yield
    g.walk.give_back_by(g.a)
    g.walk.tidy_by(g.b)
    g.storage.delete_tag("app", "v1")
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    yield
    g.push(g.b, "v4")
    g.push(g.b, "v5")
    for number in (4, 5, 2):
        g.store(number)
    yield


def lost_by_a_clock_that_is_fast(g: Guide) -> Iterator[None]:
    for replica in g.walk.replicas:
        replica.error = MAX_ERROR
    g.a.error = -MAX_ERROR
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, ESCROW - 1.4, lambda: g.walk.give_back_by(g.a))


def what_an_ended_escrow_has_hidden(g: Guide, *, gives_back: bool) -> Iterator[None]:
    """`gives_back`: the replica gives the escrow back late; otherwise it has crashed."""
    g.begin()
    g.take_escrow()
    g.wait(ESCROW - 2)
    g.push(g.a, "v1", "d1")
    if not gives_back:
        g.a.crash()
    yield
    g.wait(STORAGE - 1)
    g.push(g.b, "v1", "d1")
    g.store(1)
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    g.walk.give_back_by(g.a)
    yield
    g.storage.delete_tag("app", "v1")
    g.wait(TIMING.expiry - STORAGE + 4)
    g.walk.tidy_by(g.b)
    yield
    g.push(g.b, "v2")
    g.push(g.b, "v3")
    g.store_from(2)
    yield


def what_a_lost_escrow_has_hidden(g: Guide) -> Iterator[None]:
    return what_an_ended_escrow_has_hidden(g, gives_back=False)


def what_a_late_give_back_has_hidden(g: Guide) -> Iterator[None]:
    return what_an_ended_escrow_has_hidden(g, gives_back=True)


HIDDEN_PATHS: dict[str, tuple[Path, dict[str, int]]] = {
    "what is about to expire": (a_claim_of_what_is_about_to_expire, {"tags": 2}),
    "named in time": (named_in_time, {"tags": 2}),
    "named too late": (named_too_late, {"tags": 2}),
    "named never": (named_never, {"tags": 2}),
    "named never, and larger": (named_never_and_larger, {"tags": 3}),
    "a proof that another claim takes": (a_proof_that_another_claim_takes, {"tags": 3}),
    "lost by a clock that is fast": (lost_by_a_clock_that_is_fast, {"tags": 2}),
    "what a lost escrow has hidden": (what_a_lost_escrow_has_hidden, {"tags": 2}),
    "what a late give-back has hidden": (what_a_late_give_back_has_hidden, {"tags": 2}),
}
"""The paths, and the limits that each needs."""
