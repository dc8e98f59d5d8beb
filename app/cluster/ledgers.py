"""Ledgers in the API server: one ConfigMap per namespace, in the service's own namespace.

A ConfigMap rather than a Lease: a Lease has room only in annotations, 256 KiB in all, and a
busy namespace has thousands of pushes in flight. Compare-and-swap is `resourceVersion`.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError
from app.cluster.informer import Key
from app.model.base import problems
from app.quota.ledger import Escrow, Floor, Ledger, Reservation
from app.quota.members import Members
from app.quota.state import StateUnavailableError
from app.quota.store import LedgerConflictError

LABEL = "registry-admission/ledger"
_PREFIX = "ledger-"
_TURN = "registry-admission/turn"
_RECALL = "registry-admission/recall"
_PATIENCE = 1
"""Conflicts in a row that a replica bears before it asks for a turn."""
_YIELD = 0.02
"""Seconds that are left to whoever has asked for a turn."""
_MAX_BYTES = 900_000
"""The API server refuses objects above 1 MiB."""

_Time = Annotated[float, Field(allow_inf_nan=False)]
_Pairs = list[tuple[str, str]]
_Row = tuple[
    str, _Time, list[str], _Pairs, _Pairs, tuple[list[str], _Pairs, _Pairs], tuple[_Pairs, _Pairs],
    int,
]  # fmt: skip
_OldRow = tuple[str, _Time, list[str], _Pairs, _Pairs]
"""As the version before wrote it."""
_EscrowRow = tuple[str, int, int, _Time, _Time, _Time]
_ROWS = TypeAdapter(list[_Row | _OldRow | _EscrowRow])
_WRITES = TypeAdapter(int)
_FLOOR = TypeAdapter(tuple[int, _Time])


class KubernetesLedgers:
    """Reads ledgers off a watch, and writes them with the version that the decision saw.

    Also the store of the informer that watches them.

    Whoever has just written a ledger is the first to know its new version, and would win against
    the others again and again. One that has lost twice asks for a turn, with a note on the
    ledger that needs no version: that makes the next writer lose once, and see the note.
    """

    def __init__(self, api: KubeApi, namespace: str, identity: str) -> None:
        self._api = api
        self._identity = identity
        # A process that starts again in the same Pod knows nothing of what it held before.
        self.replica = f"{identity}-{secrets.token_hex(4)}"
        self._listeners: list[Callable[[str], None]] = []
        self._lost: Counter[str] = Counter()
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._known: dict[str, _Known] = {}

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        """The ledger as last seen. A stale one costs a conflict, never a wrong admission."""
        known = self._known.get(namespace)
        return (known.ledger.copy(), known.version) if known else (Ledger(), "")

    async def refresh(self, namespace: str) -> tuple[Ledger, str]:
        """The ledger as it is now. Raises StateUnavailableError."""
        try:
            content = await self._api.get(f"{self.path}/{_PREFIX}{namespace}")
        except NotFoundError:
            self._known.pop(namespace, None)
        except ApiError as error:
            raise StateUnavailableError(f"the ledger cannot be read: {error}") from None
        else:
            self._believe(namespace, content)
        return await self.load(namespace)

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        """Raises LedgerConflictError, and StateUnavailableError if nobody knows the outcome."""
        name = f"{_PREFIX}{namespace}"
        data = encode(ledger)
        if len(data["reservations"]) > _MAX_BYTES:
            raise StateUnavailableError(f"too many pushes in flight in namespace {namespace}")
        content: Content = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {LABEL: "true"}},
            "data": {"namespace": namespace, **data},
        }
        try:
            if version:
                content["metadata"]["resourceVersion"] = version
                written = await self._api.replace(f"{self.path}/{name}", content)
            else:
                written = await self._api.create(self.path, content)
        except (ConflictError, NotFoundError):
            await self._lose(namespace)
            raise LedgerConflictError from None
        except ApiError as error:
            raise StateUnavailableError(f"the ledger cannot be written: {error}") from None
        self._lost.pop(namespace, None)
        self._known[namespace] = _Known(written["metadata"]["resourceVersion"], ledger=ledger)

    async def _lose(self, namespace: str) -> None:
        """Learn what was written instead, and see to it that everybody gets a turn."""
        self._lost[namespace] += 1
        await self.refresh(namespace)
        known = self._known.get(namespace)
        if known is None:
            return
        if known.turn not in ("", self._identity):
            await asyncio.sleep(_YIELD)
            await self.refresh(namespace)
        elif self._lost[namespace] > _PATIENCE:
            note = {"metadata": {"annotations": {_TURN: self._identity}}}
            try:
                path = f"{self.path}/{_PREFIX}{namespace}"
                self._believe(namespace, await self._api.merge(path, note))
            except ApiError as error:
                raise StateUnavailableError(f"the ledger cannot be written: {error}") from None

    async def discard(self, namespace: str, version: str) -> None:
        """Delete the ledger of a namespace if it still has the version that was loaded; the
        watch tells of it. Raises ApiError."""
        if version:
            options = {"preconditions": {"resourceVersion": version}}
            with contextlib.suppress(ConflictError, NotFoundError):
                await self._api.delete(f"{self.path}/{_PREFIX}{namespace}", options)

    async def recall(self, namespace: str) -> None:
        """Raises StateUnavailableError."""
        note = {"metadata": {"annotations": {_RECALL: self.replica}}}
        try:
            path = f"{self.path}/{_PREFIX}{namespace}"
            self._believe(namespace, await self._api.merge(path, note))
        except NotFoundError:
            self._known.pop(namespace, None)
        except ApiError as error:
            raise StateUnavailableError(f"the ledger cannot be written: {error}") from None

    def on_recall(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def reservations(self) -> int:
        return sum(known.size for known in self._known.values())

    def namespaces(self) -> list[str]:
        return list(self._known)

    def put(self, key: Key, content: Content) -> None:
        namespace = key[1].removeprefix(_PREFIX)
        self._remember(namespace, content)
        annotations = content["metadata"].get("annotations") or {}
        if annotations.get(_RECALL, self.replica) != self.replica:
            for listener in self._listeners:
                listener(namespace)

    def remove(self, key: Key) -> None:
        # Even if it has been made anew since: an empty one costs a conflict at worst.
        self._known.pop(key[1].removeprefix(_PREFIX), None)

    def retain(self, keys: set[Key]) -> None:
        names = {name.removeprefix(_PREFIX) for _, name in keys}
        self._known = {ns: known for ns, known in self._known.items() if ns in names}

    def _remember(self, namespace: str, content: Content) -> None:
        """Of the watch, which may still be behind what this replica has written itself."""
        version = content["metadata"]["resourceVersion"]
        known = self._known.get(namespace)
        if known is None or int(version) > int(known.version):
            self._known[namespace] = _Known(version, content=content)

    def _believe(self, namespace: str, content: Content) -> None:
        """An answer of the API server, whatever its version: one that was restored from a backup
        counts them anew."""
        version = content["metadata"]["resourceVersion"]
        known = self._known.get(namespace)
        if known is None or version != known.version:
            self._known[namespace] = _Known(version, content=content)


class _Known:
    """A ledger as it came, read only when somebody asks for it.

    One that is not understood makes its namespace undecidable, and no other.
    """

    def __init__(
        self, version: str, *, content: Content | None = None, ledger: Ledger | None = None
    ) -> None:
        self.version = version
        self._content = content
        self._ledger = ledger
        annotations = content["metadata"].get("annotations") if content else None
        self.turn: str = (annotations or {}).get(_TURN, "")
        """The replica that has asked for a turn, if any."""

    @property
    def size(self) -> int:
        """The number of its reservations; zero if it is not understood."""
        try:
            return len(self.ledger)
        except StateUnavailableError:
            return 0

    @property
    def ledger(self) -> Ledger:
        """Raises StateUnavailableError."""
        if self._ledger is None:
            try:
                self._ledger = decode(self._content or {})
            except ValueError as error:
                raise StateUnavailableError(f"the ledger is not understood: {error}") from None
            self._content = None
        return self._ledger


def encode(ledger: Ledger) -> dict[str, str]:
    """The data of its ConfigMap, in JSON: a list with one row for each reservation and for each
    escrow, the floor, and the number of writes."""
    return {
        "reservations": _compact([*map(_row, ledger), *map(_escrow_row, ledger.escrows.values())]),
        "floor": _compact([ledger.floor.position, round(ledger.floor.set_at, 3)]),
        "writes": str(ledger.writes),
    }


def decode(content: Content) -> Ledger:
    """Raises ValueError for a ledger that somebody has broken by hand."""
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


def _reservation(row: _Row | _OldRow) -> Reservation:
    members = _members(row[2], row[3], row[4])
    if len(row) == 5:
        # Nobody has written down what it proves.
        return Reservation(row[0], members, row[1], shared=members)
    shared, (images, tags) = _members(*row[5]), row[6]
    return Reservation(row[0], members, row[1], shared, _members([], images, tags), row[7])


def _members(streams: list[str], images: _Pairs, tags: _Pairs) -> Members:
    return Members(frozenset(streams), frozenset(images), frozenset(tags))
