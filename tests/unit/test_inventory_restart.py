"""Counts survive the end of a gateway at any moment, and writes that fail."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from app.gateway.contents import Links
from app.gateway.database import Database, DatabaseError
from app.gateway.inventory import Inventory
from app.registry.names import Reference
from tests.patience import PATIENCE
from tests.unit.inventories import (
    APP,
    GRACE,
    ORIGIN,
    V1,
    V2,
    FakeRegistry,
    counts,
    inventory_of,
    push,
)
from tests.unit.pushes import digest_of, image, index


async def test_counts_survive_a_restart(
    database: Database, registry: FakeRegistry, tmp_path: Path
) -> None:
    first = inventory_of(database, registry)
    await push(first, V1, image(1))
    await push(first, Reference(digest=digest_of(image(2))), image(2))
    database.close()

    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    assert counts(inventory_of(reopened, registry)) == (1, 2, 1)
    reopened.close()


@pytest.mark.parametrize("stored", [True, False])
async def test_interrupted_push_counts_until_the_registry_has_answered(
    database: Database,
    registry: FakeRegistry,
    tmp_path: Path,
    stored: bool,
) -> None:
    await inventory_of(database, registry).begin(APP, V1, digest_of(image(1)))
    database.close()
    if stored:
        registry.store(image(1), "v1")
    registry.down = True
    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    inventory = inventory_of(reopened, registry)

    await inventory.recover()
    assert not await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)
    registry.down = False
    assert await inventory.ask_due()

    # A slow registry may store the manifest after its first answer.
    assert counts(inventory) == (1, 1, 1)
    if not stored:
        await asyncio.wait_for(inventory.something_due.wait(), PATIENCE)
    assert await inventory.ask_due()
    assert counts(inventory) == ((1, 1, 1) if stored else (0, 0, 0))
    assert reopened.intents() == []
    reopened.close()


async def test_outcome_is_still_unknown_after_a_restart(
    database: Database, registry: FakeRegistry, tmp_path: Path
) -> None:
    first = inventory_of(database, registry)
    await push(first, V1, image(1))
    registry.store(image(1), "v1")
    first.unknown(await first.begin(APP, V1, digest_of(image(2))))
    registry.down = True
    assert not await first.ask_due()
    database.close()

    registry.down = False
    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    inventory = inventory_of(reopened, registry)
    await inventory.recover()
    assert counts(inventory) == (1, 2, 1)
    assert await inventory.ask_due()
    await asyncio.wait_for(inventory.something_due.wait(), PATIENCE)
    assert await inventory.ask_due()

    assert inventory.usage["ns"].streams["app"].latest("v1") == digest_of(image(1))
    assert counts(inventory) == (1, 1, 1)
    reopened.close()


async def test_push_that_the_registry_cannot_read_counts_after_a_restart(
    database: Database, registry: FakeRegistry, tmp_path: Path
) -> None:
    inventory = inventory_of(database, registry)
    inventory.unknown(await inventory.begin(APP, V1, digest_of(image(1))))
    registry.store(image(1), "v1")
    registry.broken = {"v1", digest_of(image(1))}
    assert await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)
    database.close()

    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    inventory = inventory_of(reopened, registry)
    await inventory.recover()
    assert counts(inventory) == (1, 1, 1)
    registry.broken.clear()
    assert await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)
    assert reopened.intents() == []
    reopened.close()


INDEXED = Links(frozenset([digest_of(image(1))]))
REFERRER = Links(subject=digest_of(image(1)))


@pytest.mark.parametrize(
    ("first", "second", "content", "links"),
    [
        pytest.param("", "v1", index(image(1)), INDEXED, id="an index after its child"),
        pytest.param("v1", "", image(2), REFERRER, id="a referrer of a tagged image"),
    ],
)
async def test_links_of_an_interrupted_push_are_known_after_a_restart(
    database: Database,
    registry: FakeRegistry,
    tmp_path: Path,
    first: str,
    second: str,
    content: bytes,
    links: Links,
) -> None:
    before = inventory_of(database, registry)
    await push(before, _reference(first, image(1)), image(1))
    await before.begin(APP, _reference(second, content), digest_of(content), links)
    database.close()
    registry.store(image(1), *filter(None, [first]))
    registry.store(content, *filter(None, [second]))

    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    inventory = inventory_of(reopened, registry, clock=lambda: time.time() + 2 * GRACE)
    await inventory.recover()
    assert await inventory.ask_due()

    assert counts(inventory) == (1, 2, 1)
    assert reopened.contents()[APP].images[digest_of(content)] == links
    reopened.close()


def _reference(tag: str, content: bytes) -> Reference:
    return Reference(tag, "" if tag else digest_of(content))


async def test_push_that_is_stored_after_the_first_404_counts(
    database: Database, registry: FakeRegistry
) -> None:
    inventory = inventory_of(database, registry)
    inventory.unknown(await inventory.begin(APP, V1, digest_of(image(1))))
    assert await inventory.ask_due()

    registry.store(image(1), "v1")
    await asyncio.wait_for(inventory.something_due.wait(), PATIENCE)
    assert await inventory.ask_due()

    assert counts(inventory) == (1, 1, 1)


async def test_stored_manifest_counts_while_the_database_cannot_be_written(
    inventory: Inventory,
    database: Database,
    registry: FakeRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_actions: object) -> sqlite3.Error:
        return sqlite3.OperationalError("database or disk is full")

    intents = [await inventory.begin(APP, tag, digest_of(image(1))) for tag in (V1, V2)]
    registry.store(image(1), "v1")
    with monkeypatch.context() as patched:
        patched.setattr(database._transactions, "_run", full)
        inventory.stored(intents[0])
        inventory.not_stored(intents[1])
        assert counts(inventory) == (1, 1, 1)
        await asyncio.wait_for(inventory.something_due.wait(), PATIENCE)
        assert not await inventory.ask_due()

    assert await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)
    assert len(database.intents()) == 2


async def test_a_database_is_about_one_registry(database: Database, tmp_path: Path) -> None:
    database.close()

    with pytest.raises(
        DatabaseError, match=r"has the counts of http://10\.1\.2\.3:5000, not of http://b"
    ):
        Database(tmp_path / "gateway.db", "http://b")
