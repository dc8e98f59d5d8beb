"""A walk that follows a path: a list of steps, with names for their results.

Between them the walk takes random steps. Most of these do not disturb the path.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from app.quota.ledger import PUSH_CHECK
from tests.unit.quota_replica import InFlight, Replica, Request
from tests.unit.quota_walk import Walk
from tests.unit.quota_world import World

_OWN_STEPS = 0.2
"""The probability of a random step between two steps of the path."""

Path = Callable[["Guide"], Iterator[None]]


class Guide:
    """A walk whose replicas follow the steps of a path."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.storage = walk.storage
        self.a, self.b, self.c = walk.replicas
        self.flying: list[InFlight] = []

    def admit(self, replica: Replica, request: Request, *, take: bool = False) -> None:
        """Have a request decided. An admitted request stays in flight until it is stored."""
        admitted = self.walk.decide(replica, request, take=take)
        if admitted is not None:
            self.walk.in_flight = [one for one in self.walk.in_flight if one is not admitted]
            self.flying.append(admitted)

    def push(self, replica: Replica, tag: str, digest: str = "") -> None:
        self.admit(replica, self.walk.pushing("app", tag, digest or f"digest-of-{tag}"))

    def check(self, replica: Replica, tag: str) -> Request:
        """Have a push check reserve the members that a push will claim."""
        pushed = self.walk.pushing("app", tag, f"digest-of-{tag}")
        request = replace(pushed, holder=f"{PUSH_CHECK}{tag}")
        self.walk.decide(replica, request, take=False)
        return request

    def begin(self, tags: dict[str, str] | None = None) -> None:
        """Store the stream with these tags, and have the first two replicas see it."""
        if tags:
            self.storage.bring("app", tags)
        else:
            self.storage.make("app")
        self.look(self.a, self.b)

    def take_escrow(self) -> None:
        """The first replica takes all free places, with a write that adds no reservation."""
        self.admit(self.a, self.walk.making("app"), take=True)

    def send(self, replica: Replica) -> None:
        """Renew the replica's escrow by a write in flight, whose answer the replica waits for."""
        self.walk.world.slow = 1.0
        self.walk.give_back_by(replica, take=True)
        self.walk.world.slow = 0.0

    def store(self, number: int) -> None:
        """Store the admitted request of this number, if it may still be stored."""
        if number < len(self.flying):
            self.walk.store_one(self.flying[number])

    def store_from(self, first: int) -> None:
        """Store this request and all requests that were admitted after it."""
        for number in range(first, len(self.flying)):
            self.store(number)

    def look(self, *replicas: Replica) -> None:
        self.walk.beat()
        for replica in replicas:
            replica.read(self.walk.storage, 1000)

    def wait(self, seconds: float) -> None:
        self.walk.now += seconds
        self.look(self.a, self.b)


def follow(path: Path, limits: dict[str, int], seed: int) -> Iterator[Walk]:
    """The walk along a path under these limits, after each step."""
    chance = Random(seed)
    world = World(chance)
    world.limit(**limits)
    world.relimits = world.has_old_replica = False
    world.freezes = world.doubts = world.stale = world.slow = 0.0
    world.steps |= {"relimit": 0.0, "hear": 0.0}
    walk = Walk(seed, world)
    walk.places = 1
    for _ in path(Guide(walk)):
        yield walk
        while chance.random() < _OWN_STEPS:
            walk.step()
            yield walk
