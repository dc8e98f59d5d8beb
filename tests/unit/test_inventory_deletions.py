"""What counts in a repository while something is deleted, and afterwards."""

import asyncio

import pytest

from app.gateway.inventory import Inventory
from app.registry.names import Reference
from tests.patience import PATIENCE
from tests.unit.inventories import APP, V1, V2, FakeRegistry, counts, push
from tests.unit.pushes import digest_of, image


async def test_deletion_does_not_wait_for_a_running_comparison(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, image(1))
    registry.store(image(1), "v1")
    answer = registry.holds["v1"] = asyncio.Event()
    comparison = asyncio.create_task(inventory.compare(APP, thorough=True))
    while registry.holds:
        await asyncio.sleep(0)
    registry.stored.clear()

    await asyncio.wait_for(inventory.deleted(APP, V1), PATIENCE)
    assert counts(inventory)[2] == 0
    answer.set()
    await comparison
    assert counts(inventory)[2] == 0


async def test_client_does_not_wait_long_for_a_question_after_its_deletion(
    inventory: Inventory, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.inventory._DELETION", 0.05)
    await push(inventory, V1, image(1))
    registry.gate.clear()

    await asyncio.wait_for(inventory.deleted(APP, V1), PATIENCE)
    assert counts(inventory) == (1, 1, 1)
    registry.gate.set()
    assert await inventory.ask_due()

    assert counts(inventory)[2] == 0


async def test_deleted_manifest_removes_its_tags(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    for reference in (V1, V2):
        await push(inventory, reference, image(1))
    await push(inventory, Reference(tag="other"), image(2))
    registry.store(image(2), "other")

    await inventory.deleted(APP, Reference(digest=digest_of(image(1))))

    assert counts(inventory) == (1, 1, 1)


async def test_deleting_the_last_manifest_removes_the_stream(inventory: Inventory) -> None:
    await push(inventory, V1, image(1))

    await inventory.deleted(APP, Reference(digest=digest_of(image(1))))

    assert counts(inventory) == (0, 0, 0)


async def test_deletion_counts_only_when_the_registry_confirms_it(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, image(1))
    registry.store(image(1), "v1")

    await inventory.deleted(APP, Reference(digest=digest_of(image(1))))

    assert counts(inventory) == (1, 1, 1)
