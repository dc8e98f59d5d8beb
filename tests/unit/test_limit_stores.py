"""Limits of a cluster are added up when they are read."""

from collections.abc import Iterable

import pytest

from app.cluster import stores
from app.cluster.stores import LimitObjects
from app.model.domain import ApiDomain
from app.model.limits import (
    NO_LIMITS,
    LimitRange,
    NamespaceLimits,
    ResourceQuota,
    namespace_limits,
)

DOMAIN = ApiDomain()
TEAM = "team-a"
MANY = 300


def limit_range(storage: int) -> dict[str, object]:
    item = {"type": DOMAIN.image_type, "max": {"storage": str(storage)}}
    return {"metadata": {"namespace": TEAM, "name": f"of-{storage}"}, "spec": {"limits": [item]}}


class AddedUp:
    """Counts the LimitRanges that are read to add up limits."""

    def __init__(self) -> None:
        self.read = 0

    def __call__(
        self, domain: ApiDomain, ranges: Iterable[LimitRange], quotas: Iterable[ResourceQuota]
    ) -> NamespaceLimits:
        found = list(ranges)
        self.read += len(found)
        return namespace_limits(domain, found, quotas)


def test_many_limit_ranges_of_one_namespace_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    added_up = AddedUp()
    monkeypatch.setattr(stores, "namespace_limits", added_up)
    limits = LimitObjects(DOMAIN, lambda _: None)

    for size in range(MANY, 0, -1):
        limits.limit_ranges.put((TEAM, f"of-{size}"), limit_range(size))
    lowest = limits[TEAM].image_size

    assert lowest is not None
    assert lowest.source == "of-1"
    assert limits[TEAM].image_size == lowest
    assert list(limits) == [TEAM]
    assert added_up.read == MANY


def test_every_change_is_told_and_seen_by_who_asks_next() -> None:
    told: list[str] = []
    limits = LimitObjects(DOMAIN, told.append)
    key = (TEAM, "of-5")

    assert list(limits) == []
    limits.limit_ranges.put(key, limit_range(5))
    assert list(limits) == [TEAM]
    limits.limit_ranges.put(key, limit_range(7))
    changed = limits[TEAM].image_size
    assert changed is not None
    assert changed.source == "of-7"
    limits.limit_ranges.remove(key)
    assert (list(limits), limits[TEAM]) == ([], NO_LIMITS)
    assert told == [TEAM, TEAM, TEAM]
