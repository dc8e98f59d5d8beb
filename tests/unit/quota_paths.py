"""Ways to pass a limit that a random walk seldom finds: each is one if a rule is left out.

A path is a list of steps, with names of what comes of them. Between them a walk takes steps of its
own; most of them do not get in the way.
"""

from collections.abc import Callable, Iterator
from random import Random

from tests.unit.quota_walk import (
    ESCROW,
    MAX_ERROR,
    STORAGE,
    TIMING,
    InFlight,
    Replica,
    Request,
    Walk,
    World,
)  # fmt: skip

_OWN_STEPS = 0.2
"""How likely the walk takes one of its own between two of a path."""

Path = Callable[["Guide"], Iterator[None]]


class Guide:
    """A walk whose first two replicas are led."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.a, self.b, _ = walk.replicas
        self.flying: list[InFlight] = []

    def admit(self, replica: Replica, request: Request, *, take: bool = False) -> None:
        """Have a request decided; what is admitted stays on its way until it is stored."""
        admitted = self.walk.decide(replica, request, take=take)
        if admitted is not None:
            self.flying.append(InFlight(self.walk.now + STORAGE, admitted))

    def push(self, replica: Replica, tag: str, digest: str = "") -> None:
        self.admit(replica, self.walk.pushing("app", tag, digest or f"digest-of-{tag}"))

    def take_escrow(self) -> None:
        """The first replica takes all that is left, with a write that adds nothing."""
        self.admit(self.a, self.walk.making("app"), take=True)

    def store(self, number: int) -> None:
        """The request that was admitted as this one, if it still may be."""
        if number < len(self.flying) and self.flying[number].until >= self.walk.now:
            self.flying[number].request.store()

    def look(self, *replicas: Replica) -> None:
        self.walk.beat()
        for replica in replicas:
            self.walk.read(replica, 1000)

    def wait(self, seconds: float) -> None:
        self.walk.now += seconds
        self.look(self.a, self.b)


def stored_members_use_places(g: Guide) -> Iterator[None]:
    g.walk._import("app", {"v1": "d1"})
    g.look(g.a, g.b)
    g.take_escrow()
    yield
    g.push(g.a, "v1", "d1")
    yield
    g.walk.delete_tag("app", "v1")
    g.look(g.b)
    g.push(g.b, "v2")
    yield
    g.push(g.a, "v3")
    for number in range(len(g.flying)):
        g.store(number)
    yield


def a_repair_beside_an_escrow(g: Guide) -> Iterator[None]:
    g.walk._make("app")
    g.look(g.a, g.b)
    g.take_escrow()
    yield
    g.push(g.a, "v1", "d1")
    g.store(1)
    yield
    g.push(g.a, "v1", "d1")
    g.look(g.b)
    yield
    g.admit(g.b, g.walk.updating("app", "v1", "v1", "d2"))
    g.store(3)
    yield
    g.store(2)
    yield


def a_claim_of_what_is_about_to_expire(g: Guide) -> Iterator[None]:
    g.walk._make("app")
    g.look(g.a, g.b)
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
    g.walk.delete_tag("app", "v1")
    g.look(g.a, g.b)
    g.push(g.b, "v2")
    g.push(g.b, "v3")
    for number in range(2, len(g.flying)):
        g.store(number)
    yield


def hidden_claims(
    g: Guide, second: Request, late: float, end: Callable[[], None]
) -> Iterator[None]:
    """The first replica's claim is hidden; the second one's seems to be stored by its being so."""
    g.walk._make("app")
    g.look(g.a, g.b)
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
    g.walk.delete_tag("app", "v1")
    g.look(g.a, g.b)
    g.walk.tidy_by(g.b)
    g.push(g.b, "v3")
    g.push(g.b, "v4")
    for number in range(2, len(g.flying)):
        g.store(number)
    yield


def a_view_from_before_the_floor(g: Guide) -> Iterator[None]:
    g.walk._import("app", {"v1": "d1"})
    g.look(g.a, g.b)
    g.walk.delete_tag("app", "v1")
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
    """By the clock of the one replica it begins early, by that of the others time goes fast."""
    g.walk._make("app")
    g.look(g.a, g.b)
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
    g.walk._make("app")
    g.look(g.a, g.b)
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


def crash(g: Guide) -> None:
    g.a.holding = None


def named_in_time(g: Guide) -> Iterator[None]:
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, 0.1, lambda: g.walk.give_back_by(g.a))


def named_too_late(g: Guide) -> Iterator[None]:
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, ESCROW + 5, lambda: g.walk.give_back_by(g.a))


def named_never(g: Guide) -> Iterator[None]:
    equal = g.walk.pushing("app", "v1", "d1")
    return hidden_claims(g, equal, ESCROW + 5, lambda: crash(g))


def named_never_and_larger(g: Guide) -> Iterator[None]:
    larger = g.walk.importing("app", ["v1", "v2"], {"v1": "d2", "v2": "d3"})
    return hidden_claims(g, larger, ESCROW + 5, lambda: crash(g))


PATHS: dict[str, tuple[Path, dict[str, int]]] = {
    "what is stored uses places": (stored_members_use_places, {"tags": 2}),
    "a repair beside an escrow": (a_repair_beside_an_escrow, {"images": 1}),
    "what is about to expire": (a_claim_of_what_is_about_to_expire, {"tags": 2}),
    "a view from before the floor": (a_view_from_before_the_floor, {"tags": 1}),
    "stored at the last moment": (stored_at_the_last_moment, {"tags": 1}),
    "an escrow of long ago": (an_escrow_of_long_ago, {"tags": 1}),
    "named in time": (named_in_time, {"tags": 2}),
    "named too late": (named_too_late, {"tags": 2}),
    "named never": (named_never, {"tags": 2}),
    "named never, and larger": (named_never_and_larger, {"tags": 3}),
}
"""And the limits that each needs."""


def follow(name: str, seed: int) -> Iterator[Walk]:
    """The walk along a path, after each step."""
    path, limits = PATHS[name]
    chance = Random(seed)
    world = World(chance)
    world.limit(**limits)
    walk = Walk(seed, world)
    walk.places = 1
    for _ in path(Guide(walk)):
        yield walk
        while chance.random() < _OWN_STEPS:
            walk.step()
            yield walk
