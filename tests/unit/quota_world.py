"""The parameters of a walk: the limits, the names, and the frequency of each step."""

import random
from dataclasses import dataclass

from app.model.limits import NamespaceLimits
from app.quota.view import Timing
from tests.unit.stores import limit, quota

STORAGE = 60.0
"""Seconds after which an admitted request can no longer be stored."""
MAX_LAG = 5.0
MAX_ERROR = 1.0
SKEW = 2 * MAX_ERROR
TIMING = Timing(STORAGE + MAX_LAG + SKEW, lag=MAX_LAG, skew=SKEW)
ESCROW = 8.0
"""Seconds for which an escrow is usable."""
WEBHOOK_TIMEOUT = 10.0
"""Seconds after which the API server ignores an answer of the service."""

STEPS = {
    "push": 24, "update": 10, "fetch": 5, "make": 5, "store": 20, "fail": 2, "delete": 8,
    "delete_stream": 2, "tidy": 10, "wait": 6, "beat": 10, "set_clock": 1, "check": 4,
    "follow": 5, "cancel": 1, "retry": 4, "give_back": 6, "crash": 1, "relimit": 2, "hear": 4,
    "thaw": 8, "arrive": 4, "hear_back": 12,
}  # fmt: skip
ALWAYS = frozenset({"push", "make", "store", "beat", "thaw", "hear", "hear_back"})
TROUBLES = ["freezes", "doubts", "stale ledgers", "an old replica", "other limits", "slow writes"]
_NAMES = ("streams", "tags", "images", "tags_of_stream", "images_of_stream")


@dataclass(frozen=True)
class Limits:
    most: dict[str, int]
    """The limits of `streams`, `tags`, `images`, `tags_of_stream` and `images_of_stream`."""
    objects: NamespaceLimits
    version: int
    """The version of the limits. Later limits have higher versions."""


def limits_of(version: int, **most: int) -> Limits:
    """9 where none is given."""
    most = {name: most.get(name, 9) for name in _NAMES}
    objects = NamespaceLimits(
        quotas=(
            quota(image_tags=most["tags"], images=most["images"]),
            quota(imagestreams=most["streams"]),
        ),
        stream_tags=limit(str(most["tags_of_stream"])),
        stream_images=limit(str(most["images_of_stream"])),
    )
    return Limits(most, objects, version)


class World:
    """A small world with few kinds of steps finds rare orders of events often. A large world has
    more orders of events."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._narrow = chance.random() < 0.5
        self.streams = ["app", "web", "db"][: 1 if self._narrow else chance.randint(1, 3)]
        self.tags = ["v1", "v2", "v3"][: chance.randint(1, 3)]
        self.digests = ["d1", "d2"][: 1 if self._narrow else chance.randint(0, 2)]
        """Images that are pushed again and again, besides new ones."""
        self.new_digests = 0.3 if self._narrow else 0.6
        """The probability that an image is new."""
        self.takes = chance.choice([0.0, 0.5, 1.0])
        """The probability that a write takes an escrow."""
        trouble = chance.choice(["", "", "", *TROUBLES])
        """At most one kind of fault: several would hide each other."""
        self.freezes = 0.2 if trouble == "freezes" else 0.0
        """The probability that a replica is frozen between a decision and its write."""
        self.doubts = 0.2 if trouble == "doubts" else 0.0
        """The probability that a replica does not get the answer to a write."""
        self.slow = 0.5 if trouble == "slow writes" else 0.0
        """The probability that a replica has to wait for the answer to a write."""
        self.stale = 0.2 if trouble == "stale ledgers" else 0.0
        """The probability that a replica decides on an old state of the ledger."""
        self.has_old_replica = trouble == "an old replica"
        """Whether one of the replicas runs the version without escrows."""
        self.relimits = trouble == "other limits"
        """Whether limits are lowered and raised."""
        self.steps = {
            step: weight * (1 if step in ALWAYS else chance.choice([0.0, 0.3, 1.0, 3.0]))
            for step, weight in STEPS.items()
        }
        self.steps["relimit"] *= self.relimits
        self.changes = 0
        """The number of times that limits were set."""
        self.relimit()

    def limit(self, **most: int) -> None:
        self.changes += 1
        self.limits = limits_of(self.changes, **most)

    def relimit(self) -> None:
        """Set each limit lower, or higher."""
        chance, top = self._chance, 2 if self._narrow else 5
        self.limit(
            streams=chance.randint(1, 3),
            tags=chance.randint(1, top),
            images=chance.randint(1, top),
            tags_of_stream=chance.randint(1, 3),
            images_of_stream=chance.randint(1, 3),
        )
