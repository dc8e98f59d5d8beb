"""How a ledger is written into a ConfigMap: see docs/reference/ledger.md."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from app.cluster.api import Content
from app.model.base import problems
from app.quota.ledger import Escrow, Ledger, Reservation
from app.quota.members import Members
from app.quota.view import Floor

_Time = Annotated[float, Field(allow_inf_nan=False)]
_Pairs = list[tuple[str, str]]
_Row = tuple[
    str, _Time, list[str], _Pairs, _Pairs, tuple[list[str], _Pairs, _Pairs], tuple[_Pairs, _Pairs],
    int,
]  # fmt: skip
_UnmarkedRow = tuple[
    str, _Time, list[str], _Pairs, _Pairs, tuple[list[str], _Pairs, _Pairs], tuple[_Pairs, _Pairs]
]
"""A row of a version without escrows. It lacks the number of the write that saw its proof."""
_OldRow = tuple[str, _Time, list[str], _Pairs, _Pairs]
"""A row of a still older version. It lacks the unproven and the removed members as well."""
_Count = Annotated[int, Field(ge=0)]
_EscrowRow = tuple[str, _Count, _Count, _Time, _Time, _Time]
_ROWS = TypeAdapter(list[_Row | _UnmarkedRow | _OldRow | _EscrowRow])
_WRITES = TypeAdapter(_Count)
_FLOOR = TypeAdapter(tuple[int, _Time])


def encode(ledger: Ledger) -> dict[str, str]:
    """The data of the ConfigMap: JSON with one row for each reservation and each escrow, the floor,
    and the number of writes."""
    return {
        "reservations": _compact([*map(_row, ledger), *map(_escrow_row, ledger.escrows.values())]),
        "floor": _compact([ledger.floor.position, round(ledger.floor.set_at, 3)]),
        "writes": str(ledger.writes),
    }


def decode(content: Content) -> Ledger:
    """Raises ValueError for a ledger that somebody has edited."""
    data = content.get("data") or {}
    try:
        position, set_at = _FLOOR.validate_json(data.get("floor", ""))
        rows = _ROWS.validate_json(data.get("reservations", ""))
        writes = _WRITES.validate_json(data.get("writes", "0"))
    except ValidationError as error:
        raise ValueError(next(problems(error))) from None
    return Ledger(
        [_reservation(row) for row in rows if len(row) != 6],
        Floor(position, set_at),
        [Escrow(*row) for row in rows if len(row) == 6],
        writes,
    )


def _row(reservation: Reservation) -> list[Any]:
    removes = reservation.removes
    return [
        reservation.holder,
        round(reservation.expires_at, 3),
        *_listed(reservation.members),
        _listed(reservation.shared),
        [sorted(removes.images), sorted(removes.tags)],
        reservation.seen,
    ]


def _escrow_row(escrow: Escrow) -> list[Any]:
    return [
        escrow.key,
        escrow.places,
        escrow.taken,
        round(escrow.usable_until, 3),
        round(escrow.lost_at, 3),
        round(escrow.counted_until, 3),
    ]


def _listed(members: Members) -> list[Any]:
    return [sorted(members.streams), sorted(members.images), sorted(members.tags)]


def _compact(content: list[Any]) -> str:
    return to_json(content).decode()


def _reservation(row: _Row | _UnmarkedRow | _OldRow) -> Reservation:
    members = _members(row[2], row[3], row[4])
    if len(row) == 5:
        return Reservation(row[0], members, row[1], shared=members)
    shared, (images, tags) = _members(*row[5]), row[6]
    seen = row[7] if len(row) == 8 else 0
    return Reservation(row[0], members, row[1], shared, _members([], images, tags), seen)


def _members(streams: list[str], images: _Pairs, tags: _Pairs) -> Members:
    return Members(frozenset(streams), frozenset(images), frozenset(tags))
