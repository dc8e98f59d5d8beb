"""Pushes, deletions and comparisons at once: the registry decides which was last."""

import asyncio

import pytest

from app.gateway.database import Database, Findings
from app.gateway.inventory import Inventory
from app.registry.names import Repository
from tests.unit.inventories import APP, V1, V2, FakeRegistry, counts, push
from tests.unit.pushes import digest_of, image

OLD, NEW, OTHER = image(1), image(2), image(3)


async def settle(inventory: Inventory) -> None:
    """Ask until no question is left."""
    for _ in range(3):
        assert await inventory.ask_due()
        await asyncio.sleep(0.02)


def target(inventory: Inventory) -> str | None:
    """The image that v1 points at."""
    return inventory.usage[APP.namespace].streams[APP.stream].latest("v1")


@pytest.mark.parametrize("last", [NEW, OTHER], ids=["the first", "the second"])
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned around"])
async def test_of_two_pushes_to_one_tag_the_registry_says_which_is_last(
    inventory: Inventory, registry: FakeRegistry, last: bytes, turned: bool
) -> None:
    await push(inventory, V1, OLD)
    intents = [await inventory.begin(APP, V1, digest_of(content)) for content in (NEW, OTHER)]
    for content in (OLD, NEW, OTHER):
        registry.store(content)
    registry.store(last, "v1")

    for intent in reversed(intents) if turned else intents:
        inventory.stored(intent)
    at_first = counts(inventory)
    await settle(inventory)

    assert at_first == (1, 3, 1)
    assert target(inventory) == digest_of(last)
    assert counts(inventory) == (1, 1, 1)


async def test_of_two_pushes_to_one_tag_one_is_refused(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    stored, refused = [await inventory.begin(APP, V1, digest_of(one)) for one in (NEW, OTHER)]
    registry.store(NEW, "v1")

    inventory.stored(stored)
    inventory.not_stored(refused)
    await settle(inventory)

    assert target(inventory) == digest_of(NEW)
    assert counts(inventory) == (1, 1, 1)


async def test_push_without_an_answer_may_be_stored_after_the_first_question(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, OLD)
    registry.store(OLD, "v1")
    inventory.unknown(await inventory.begin(APP, V1, digest_of(NEW)))

    assert await inventory.ask_due()
    at_first = counts(inventory)
    registry.store(NEW, "v1")
    await asyncio.sleep(0.02)
    await settle(inventory)

    assert at_first == (1, 2, 1)
    assert target(inventory) == digest_of(NEW)
    assert counts(inventory) == (1, 1, 1)


async def test_both_images_count_while_the_registry_fails_to_answer_for_the_tag(
    inventory: Inventory, registry: FakeRegistry, database: Database
) -> None:
    await push(inventory, V1, OLD)
    registry.store(OLD, "v1")
    registry.broken = {"v1"}
    inventory.unknown(await inventory.begin(APP, V1, digest_of(NEW)))
    await settle(inventory)
    meanwhile, intents = counts(inventory), database.intents()
    registry.broken.clear()
    await inventory.compare(APP, thorough=False)
    await asyncio.sleep(0.02)
    await settle(inventory)

    assert (meanwhile, len(intents)) == ((1, 2, 1), 1)
    assert target(inventory) == digest_of(OLD)
    assert counts(inventory) == (1, 1, 1)


async def test_push_without_an_answer_that_was_not_stored_leaves_the_old_image(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, OLD)
    registry.store(OLD, "v1")
    inventory.unknown(await inventory.begin(APP, V1, digest_of(NEW)))

    await settle(inventory)

    assert target(inventory) == digest_of(OLD)
    assert counts(inventory) == (1, 1, 1)


async def test_image_of_a_push_without_an_answer_counts_after_its_other_tags_have_moved_on(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    for tag in (V1, V2):
        await push(inventory, tag, OLD)
        registry.store(OLD, tag.tag)
    inventory.unknown(await inventory.begin(APP, V1, digest_of(NEW)))
    await push(inventory, V2, OLD)
    await push(inventory, V2, OTHER)
    registry.store(OTHER, "v2")
    at_first = counts(inventory)
    await settle(inventory)

    assert at_first == (1, 3, 2)
    assert target(inventory) == digest_of(OLD)
    assert counts(inventory) == (1, 2, 2)


async def test_image_counts_until_the_last_push_without_an_answer_is_decided(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, OLD)
    registry.store(OLD, "v1")
    for content in (NEW, OLD, OTHER):
        inventory.unknown(await inventory.begin(APP, V1, digest_of(content)))
    registry.store(OTHER, "v1")
    at_first = counts(inventory)
    await settle(inventory)

    assert at_first == (1, 3, 1)
    assert counts(inventory) == (1, 1, 1)


async def test_push_is_newer_than_answers_that_are_being_written(
    inventory: Inventory,
    registry: FakeRegistry,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await push(inventory, V1, OLD)
    registry.store(OLD, "v1")
    writing, written = asyncio.Event(), asyncio.Event()
    write = database.apply

    async def slow(repository: Repository, findings: Findings) -> None:
        writing.set()
        await written.wait()
        await write(repository, findings)

    monkeypatch.setattr(database, "apply", slow)
    comparison = asyncio.create_task(inventory.compare(APP, thorough=True))
    await writing.wait()
    await push(inventory, V1, NEW)
    written.set()
    await comparison

    assert target(inventory) == digest_of(NEW)


async def test_comparison_without_a_difference_writes_nothing(
    inventory: Inventory,
    registry: FakeRegistry,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await push(inventory, V1, OLD)
    registry.store(OLD, "v1")
    written: list[Repository] = []

    async def write(repository: Repository, _findings: Findings) -> None:
        written.append(repository)

    monkeypatch.setattr(database, "apply", write)
    await inventory.compare(APP, thorough=False)
    assert written == []
    await inventory.compare(APP, thorough=True)
    assert written == [APP]


async def test_reference_is_not_asked_for_while_a_push_touches_it(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, OLD)
    pushing = await inventory.begin(APP, V1, digest_of(NEW))
    registry.store(NEW)

    await inventory.deleted(APP, V1)
    registry.asked.clear()
    for _ in range(5):
        assert await inventory.ask_due()
    meanwhile = list(registry.asked)
    inventory.stored(pushing)
    await settle(inventory)

    assert meanwhile == []
    assert "v1" in registry.asked
    assert counts(inventory) == (1, 0, 0)
