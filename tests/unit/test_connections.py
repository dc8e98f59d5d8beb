"""Bounds on connections, and which connection ends for a new one."""

from functools import partial

import pytest

from app.api.connections import GRACE, Connection, Connections


class Opened:
    """Connections by name, `address/number`, and the names of the ended ones."""

    def __init__(self, limit: int, per_address: int) -> None:
        self.now = 0.0
        self._connections = Connections(limit, per_address, clock=lambda: self.now)
        self._by_name: dict[str, Connection] = {}
        self.ended: list[str] = []

    def admit(self, *names: str) -> list[str]:
        """The names of the accepted connections."""
        for name in names:
            end = partial(self.ended.append, name)
            connection = self._connections.admit(name.partition("/")[0], end)
            if connection is not None:
                self._by_name[name] = connection
        return [name for name in names if name in self._by_name]

    def __getitem__(self, name: str) -> Connection:
        return self._by_name[name]


@pytest.fixture
def opened() -> Opened:
    return Opened(limit=4, per_address=3)


def test_address_has_no_more_than_its_bound(opened: Opened) -> None:
    opened.admit("a/1", "a/2", "a/3")
    opened.now = GRACE

    assert opened.admit("a/4") == ["a/4"]
    assert opened.ended == ["a/1"]


def test_largest_address_loses_a_connection(opened: Opened) -> None:
    opened.admit("b/1", "a/1", "a/2", "a/3")
    opened.now = GRACE

    assert opened.admit("c/1") == ["c/1"]
    assert opened.ended == ["a/1"]


def test_longest_waiting_connection_ends_first(opened: Opened) -> None:
    opened.admit("a/1", "a/2", "a/3")
    opened["a/1"].works()
    opened["a/1"].waits()
    opened.now = GRACE

    opened.admit("a/4")

    assert opened.ended == ["a/2"]


def test_new_connections_do_not_give_way_up_to_twice_the_bound(opened: Opened) -> None:
    """An API server that opens many connections at once loses none before it sends its reviews."""
    burst = [f"a/{number}" for number in range(6)]

    assert opened.admit(*burst) == burst
    assert opened.ended == []
    opened.admit("a/6")
    assert opened.ended == ["a/0"]


def test_many_small_strangers_take_nothing_from_a_large_burst() -> None:
    opened = Opened(limit=9, per_address=9)
    opened.admit(*(f"{stranger}/{number}" for stranger in "xyz" for number in range(3)))
    opened.now = GRACE

    assert len(opened.admit(*(f"a/{number}" for number in range(6)))) == 6
    assert opened.admit("v/1") == ["v/1"]
    assert not [name for name in opened.ended if name.startswith("a/")]


def test_connection_that_has_just_been_answered_is_new_again(opened: Opened) -> None:
    opened.admit("a/1", "a/2", "a/3")
    for name in ("a/1", "a/2", "a/3"):
        opened[name].works()
    opened.now = GRACE
    for name in ("a/1", "a/2", "a/3"):
        opened[name].waits()

    assert opened.admit("a/4") == ["a/4"]
    assert opened.ended == []


def test_working_connection_is_not_ended(opened: Opened) -> None:
    for number in range(9):
        opened.admit(f"a/{number}")
        opened[f"a/{number}"].works()

    assert opened.admit("a/9") == []
    assert opened.admit("b/1") == ["b/1"]
    assert opened.ended == []


def test_smaller_address_loses_nothing(opened: Opened) -> None:
    opened.admit("a/1", "b/1", "b/2", "b/3")
    for name in ("b/1", "b/2", "b/3"):
        opened[name].works()
    opened.admit("b/4")
    opened.now = GRACE

    assert opened.admit("b/5") == ["b/5"]
    assert opened.ended == ["b/4"]


def test_connection_with_a_verified_certificate_ends_last(opened: Opened) -> None:
    opened.admit("a/1", "a/2", "a/3", "b/1")
    for name in ("a/1", "a/2", "a/3"):
        opened[name].identified = True
        opened[name].waits()
    opened.now = GRACE

    opened.admit("c/1")
    opened["c/1"].works()
    opened.admit("c/2")

    assert opened.ended == ["b/1", "a/1"]


def test_replacements_between_similar_addresses_are_rate_limited() -> None:
    opened = Opened(limit=100, per_address=4)

    got = opened.admit(*(f"a/{number}" for number in range(100)))
    assert len(got) == 2 * 4 + 50
    opened.now = 0.5
    assert len(opened.admit(*(f"a/{number}" for number in range(100, 200)))) == 10


def test_bound_may_be_passed_while_no_replacement_is_left() -> None:
    opened = Opened(limit=1000, per_address=100)
    opened.admit(*(f"a/{number}" for number in range(100)))
    opened.now = GRACE

    burst = [f"a/{number}" for number in range(100, 250)]

    assert opened.admit(*burst) == burst
    assert len(opened.ended) == 50


def test_replacements_by_a_small_address_are_not_rate_limited() -> None:
    opened = Opened(limit=10, per_address=10)
    opened.admit(*(f"a/{number}" for number in range(100)))
    opened.now = GRACE

    for number in range(100):
        assert opened.admit(f"b/{number}")
        opened[f"b/{number}"].gone()
        opened.admit(f"a/more-{number}")
        assert opened.admit(f"c{number}/1")
        opened[f"c{number}/1"].gone()
        opened.admit(f"a/even-more-{number}")


def test_ended_connection_frees_its_place(opened: Opened) -> None:
    opened.admit("a/1", "a/2", "a/3")
    opened["a/2"].gone()
    opened["a/2"].gone()
    opened.now = GRACE

    opened.admit("a/4")

    assert opened.ended == []
