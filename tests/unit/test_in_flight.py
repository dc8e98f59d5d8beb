"""Reservations in flight: admitted members that are not seen stored."""

import pytest

from app.quota.in_flight import InFlight, StreamInFlight, in_flight
from app.quota.ledger import Escrow, Ledger, Reservation
from app.quota.members import Members
from app.quota.usage import NamespaceUsage, StreamUsage

NOW = 1000.0
STORED = NamespaceUsage()
STORED.put("app", StreamUsage({"v1": ("sha256:a",)}))


def push(stream: str, tag: str, digest: str, *, expires: float = NOW + 60) -> Reservation:
    members = Members(
        frozenset({stream}), frozenset({(stream, digest)}), frozenset({(stream, tag)})
    )
    return Reservation(f"{stream}:{tag}@{digest}", members, expires)


@pytest.mark.parametrize(
    ("reservations", "found"),
    [
        pytest.param([], InFlight(), id="nothing"),
        pytest.param([push("app", "v1", "sha256:a")], InFlight(), id="it is stored already"),
        pytest.param([push("app", "v2", "sha256:b", expires=NOW)], InFlight(), id="expired"),
        pytest.param(
            [push("app", "v2", "sha256:b")],
            InFlight(1, 0, 1, 1, {"app": StreamInFlight(1, 1)}),
            id="a new tag and image",
        ),
        pytest.param(
            [push("app", "v2", "sha256:a"), push("app", "v3", "sha256:a")],
            InFlight(2, 0, 0, 2, {"app": StreamInFlight(0, 2)}),
            id="tags of an image that is stored",
        ),
        pytest.param(
            [push("web", "v1", "sha256:a"), push("app", "v2", "sha256:b")],
            InFlight(2, 1, 1, 2, {"web": StreamInFlight(1, 1), "app": StreamInFlight(1, 1)}),
            id="an image that is new to one stream, and a stream that is new",
        ),
    ],
)
def test_in_flight_members_exclude_stored_ones(
    reservations: list[Reservation], found: InFlight
) -> None:
    assert in_flight(Ledger(reservations), STORED, NOW) == found


def test_places_in_escrow_are_in_flight_as_long_as_they_count() -> None:
    escrows = [
        Escrow("one/1", 8, 1, NOW + 3, NOW + 7, NOW + 143),
        Escrow("crashed/1", 4, 1, NOW - 130, NOW - 126, NOW + 10),
        Escrow("long-ago/1", 16, 1, NOW - 150, NOW - 146, NOW),
    ]

    assert in_flight(Ledger(escrows=escrows), STORED, NOW) == InFlight(in_escrow=12)
