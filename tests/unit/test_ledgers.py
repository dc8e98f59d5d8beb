"""Ledgers in the API server: writing them, and reading those of other versions."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.cluster.ledger_format import decode, encode
from app.cluster.ledgers import KubernetesLedgers
from app.quota.ledger import Escrow, Ledger, Reservation
from app.quota.members import Members
from app.quota.state import StateUnavailableError
from app.quota.store import LedgerConflictError
from app.quota.view import Floor
from tests.unit.kube import FakeKube

OWN = "registry-admission"
PATH = f"/api/v1/namespaces/{OWN}/configmaps/ledger-ns"
MEMBERS = Members(frozenset({"app"}), frozenset({("app", "d1")}), frozenset({("app", "v1")}))
ROW = Reservation(
    "holder", MEMBERS, 1700000000.5, Members(frozenset({"app"})),
    Members(tags=frozenset({("app", "old")})), 12,
)  # fmt: skip
ESCROW = Escrow("one-1/7", 64, 11, 1700000003.0, 1700000007.0, 1700000143.0)


@pytest.fixture
def api() -> FakeKube:
    return FakeKube(1_800_000_000.0)


@pytest.fixture
def ledgers(api: FakeKube) -> KubernetesLedgers:
    return KubernetesLedgers(api, OWN, "one")


def content(reservations: Any, floor: Any = (1, 2.0), version: str = "7") -> dict[str, Any]:
    data = {"reservations": json.dumps(reservations), "floor": json.dumps(floor)}
    return {"metadata": {"name": "ledger-ns", "resourceVersion": version}, "data": data}


def test_a_ledger_is_read_as_it_was_written() -> None:
    floor = Floor(4711, 1699999990.25)

    ledger = decode({"data": encode(Ledger([ROW], floor, [ESCROW], writes=13))})

    assert (list(ledger), ledger.floor) == ([ROW], floor)
    assert (ledger.escrows, ledger.writes) == ({ESCROW.key: ESCROW}, 13)


OLD = ["holder", 1700000000.5, ["app"], [["app", "d1"]], [["app", "v1"]]]


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        pytest.param(
            OLD, Reservation("holder", MEMBERS, 1700000000.5, shared=MEMBERS),
            id="the first version: it proves nothing",
        ),
        pytest.param(
            [*OLD, [["app"], [], []], [[], [["app", "old"]]]], replace(ROW, seen=0),
            id="the last one without escrows: no write has seen its proof",
        ),
    ],
)  # fmt: skip
def test_rows_of_versions_before_are_read(old: list[Any], expected: Reservation) -> None:
    [row] = decode(content([old]))

    assert row == expected


_Pairs = list[tuple[str, str]]
_OldRow = tuple[str, float, list[str], _Pairs, _Pairs]
_UnmarkedRow = tuple[
    str, float, list[str], _Pairs, _Pairs, tuple[list[str], _Pairs, _Pairs], tuple[_Pairs, _Pairs]
]
BEFORE = TypeAdapter(list[_UnmarkedRow | _OldRow])
"""The rows that the last version without escrows can parse."""


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        pytest.param(Ledger(), True, id="nothing reserved"),
        pytest.param(Ledger([ROW]), False, id="a reservation"),
        pytest.param(Ledger(escrows=[ESCROW]), False, id="an escrow"),
    ],
)
def test_the_version_before_decides_on_no_ledger_with_rows_of_today(
    written: Ledger, understood: bool
) -> None:
    rows = encode(written)["reservations"]

    if understood:
        assert BEFORE.validate_json(rows) == []
    else:
        with pytest.raises(ValidationError):
            BEFORE.validate_json(rows)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({}, id="no data"),
        pytest.param({"data": None}, id="null"),
        pytest.param({"data": {"reservations": "[", "floor": "[1, 2]"}}, id="no JSON"),
        pytest.param(content({}), id="no list"),
        pytest.param(content([["holder", 1.0]]), id="a row that is too short"),
        pytest.param(content([["h", 1.0, [], [], [], [], [], [], []]]), id="a row of the future"),
        pytest.param(content([["key", 64, 1, 2.0, 3.0]]), id="half an escrow"),
        pytest.param(content([["key", -64, 1, 2.0, 3.0, 4.0]]), id="places that make room"),
        pytest.param(content([["h", "x", [], [], []]]), id="a time that is none"),
        pytest.param(content([["h", float("nan"), [], [], []]]), id="a time that never is"),
        pytest.param(content([[["h"], 1.0, [], [], []]]), id="a holder that is none"),
        pytest.param(content([["h", 1.0, [], [["app"]], []]]), id="an image without a digest"),
        pytest.param(content([], floor=[1]), id="half a floor"),
        pytest.param(content([], floor=["x", 2.0]), id="a position that is none"),
    ],
)
async def test_a_ledger_that_is_not_understood_makes_its_namespace_undecidable_and_no_other(
    ledgers: KubernetesLedgers, broken: dict[str, Any]
) -> None:
    broken = {"metadata": {"resourceVersion": "1"}, **broken}
    ledgers.put((OWN, "ledger-ns"), broken)
    ledgers.put((OWN, "ledger-other"), content([["h", 1.0, ["app"], [], []]]))

    with pytest.raises(StateUnavailableError, match="the ledger cannot be parsed: "):
        await ledgers.load("ns")
    assert len((await ledgers.load("other"))[0]) == 1
    assert ledgers.reservations() == 1


async def test_after_a_restore_of_etcd_one_conflict_is_enough(
    api: FakeKube, ledgers: KubernetesLedgers
) -> None:
    """After a restore, the API server's versions start again at lower numbers."""
    ledgers.put((OWN, "ledger-ns"), content([], version="900000"))
    api.objects[PATH] = content([["h", 1.0, ["app"], [], []]], version="12")

    with pytest.raises(LedgerConflictError):
        await ledgers.save("ns", Ledger(), "900000")
    ledger, version = await ledgers.load("ns")

    assert (len(ledger), version) == (1, "12")
    await ledgers.save("ns", ledger, version)


async def test_a_late_watch_does_not_hide_an_own_write(
    ledgers: KubernetesLedgers,
) -> None:
    await ledgers.save("ns", Ledger([ROW]), "")
    _, version = await ledgers.load("ns")
    ledgers.put((OWN, "ledger-ns"), content([], version=str(int(version) - 1)))

    assert list((await ledgers.load("ns"))[0]) == [ROW]


async def test_versions_are_compared_as_numbers(ledgers: KubernetesLedgers) -> None:
    for version in ("9", "10", "8"):
        ledgers.put((OWN, "ledger-ns"), content([], version=version))

    assert (await ledgers.load("ns"))[1] == "10"


async def test_a_replica_that_has_lost_twice_asks_for_a_turn(
    api: FakeKube, ledgers: KubernetesLedgers
) -> None:
    other, asked = KubernetesLedgers(api, OWN, "two"), []
    for _ in range(2):
        ledger, version = await ledgers.load("ns")
        await other.save("ns", Ledger([ROW]), (await other.refresh("ns"))[1])
        with pytest.raises(LedgerConflictError):
            await ledgers.save("ns", ledger, version)
        asked.append(api.objects[PATH]["metadata"].get("annotations"))

    assert asked == [None, {"registry-admission/turn": "one"}]


async def test_a_replica_hears_when_others_ask_for_its_escrow_and_not_itself(
    api: FakeKube, ledgers: KubernetesLedgers
) -> None:
    asked: list[str] = []
    other = KubernetesLedgers(api, OWN, "two")
    ledgers.on_recall(lambda namespace: asked.append(f"one {namespace}"))
    other.on_recall(lambda namespace: asked.append(f"two {namespace}"))
    await ledgers.save("ns", Ledger([ROW]), "")

    await other.recall("ns")
    for one in (ledgers, other):
        one.put((OWN, "ledger-ns"), api.objects[PATH])

    assert asked == ["one ns"]
    ledger, version = await other.load("ns")
    await other.save("ns", ledger, version)
    assert "annotations" not in api.objects[PATH]["metadata"]


def test_a_process_that_starts_again_is_another_replica(api: FakeKube) -> None:
    first, second = (KubernetesLedgers(api, OWN, "same").replica for _ in range(2))

    assert first != second
