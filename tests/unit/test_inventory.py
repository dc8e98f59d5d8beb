"""The inventory follows the registry. In doubt, it counts too much and never too little."""

import asyncio
import time
from pathlib import Path
from random import Random

import httpx
import pytest

from app.gateway.contents import Contents, Links
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.repository_usage import RepositoryUsage
from app.registry.client import RegistryUnavailableError
from app.registry.names import Reference, Repository
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


async def test_stored_manifest_counts_and_refused_one_does_not(inventory: Inventory) -> None:
    await push(inventory, V1, image(1))
    await push(inventory, V2, image(1))
    await push(inventory, Reference(digest=digest_of(image(2))), image(2))
    inventory.not_stored(await inventory.begin(APP, Reference(tag="v3"), "sha256:x"))

    assert counts(inventory) == (1, 2, 2)


async def test_an_image_no_longer_counts_when_its_tag_moves_on(inventory: Inventory) -> None:
    await push(inventory, V1, image(1))
    await push(inventory, V1, image(2))

    assert counts(inventory) == (1, 1, 1)
    assert inventory.untagged == 1


async def test_old_and_new_image_count_while_the_push_outcome_is_unknown(
    inventory: Inventory,
) -> None:
    await push(inventory, V1, image(1))
    inventory.unknown(await inventory.begin(APP, V1, digest_of(image(2))))

    assert counts(inventory) == (1, 2, 1)


async def test_an_image_without_a_tag_counts_for_its_grace_period(
    database: Database, registry: FakeRegistry, tmp_path: Path
) -> None:
    now = [1000.0]
    inventory = inventory_of(database, registry, lambda: now[0])
    await push(inventory, Reference(digest=digest_of(image(1))), image(1))
    assert counts(inventory) == (1, 1, 0)

    now[0] += GRACE
    await push(inventory, V2, image(2))
    assert counts(inventory) == (1, 1, 1)
    database.close()

    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    assert counts(inventory_of(reopened, registry, lambda: now[0])) == (1, 1, 1)
    reopened.close()


async def test_grace_period_ends_without_another_push(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "_grace", 0.05)
    await push(inventory, Reference(digest=digest_of(image(1))), image(1))
    assert inventory.untagged == 0

    async with asyncio.timeout(PATIENCE):
        while inventory.untagged == 0:
            await asyncio.sleep(0.01)
    assert counts(inventory) == (1, 0, 0)


async def test_tagging_an_index_counts_its_expired_children_again(
    database: Database, registry: FakeRegistry
) -> None:
    now = [1000.0]
    inventory = inventory_of(database, registry, lambda: now[0])
    children = [image(1), image(2)]
    for child in children:
        await push(inventory, Reference(digest=digest_of(child)), child)
    now[0] += GRACE
    both = index(*children)
    links = Links(frozenset(map(digest_of, children)))

    brought = inventory.brought(APP, digest_of(both), links)
    inventory.stored(await inventory.begin(APP, V1, digest_of(both), links))

    assert {digest for _, digest in brought.images} == {digest_of(both), *links.children}
    assert counts(inventory) == (1, 3, 1)


async def test_concurrent_rounds_of_questions_are_both_answered(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    for number in range(5):
        repository = Repository("ns", f"app{number}")
        inventory.unknown(await inventory.begin(repository, V1, digest_of(image(1))))
    registry.store(image(1), "v1")

    assert all(await asyncio.gather(inventory.ask_due(), inventory.ask_due()))


async def test_question_that_becomes_due_while_others_are_answered_is_no_failure(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    """Otherwise the gateway waits as after a failure before it asks the next one."""
    inventory.unknown(await inventory.begin(APP, V1, digest_of(image(1))))
    registry.gate.clear()
    asking = asyncio.create_task(inventory.ask_due())
    await asyncio.sleep(0)
    inventory.unknown(await inventory.begin(Repository("ns", "other"), V1, digest_of(image(1))))
    registry.gate.set()

    assert await asking
    assert inventory.something_due.is_set()


async def test_comparison_asks_only_for_differing_tags(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    for number in range(20):
        registry.store(image(number), f"v{number}")
    await inventory.compare(APP, thorough=True)
    registry.asked.clear()

    await inventory.compare(APP, thorough=False)
    assert registry.asked == ["list"]

    del registry.stored["v3"], registry.stored[digest_of(image(3))]
    registry.store(image(4), "new")
    await inventory.compare(APP, thorough=False)

    assert sorted(registry.asked) == sorted(["list", "list", "v3", "new", digest_of(image(3))])
    assert counts(inventory) == (1, 19, 20)


async def test_few_questions_wait_however_many_tags_there_are(
    database: Database, registry: FakeRegistry
) -> None:
    most = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))
        return await registry(request)

    registry.store(image(1), *(f"v{number}" for number in range(300)))
    inventory = inventory_of(database, answer)
    await inventory.compare(APP, thorough=True)

    assert counts(inventory) == (1, 1, 300)
    assert most < 20


async def test_older_answer_does_not_undo_a_push(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, image(1))
    registry.gate.clear()
    deletion = asyncio.create_task(inventory.deleted(APP, V1))
    await asyncio.sleep(0.01)
    registry.store(image(1), "v1")
    await push(inventory, V1, image(1))
    registry.gate.set()
    await deletion

    assert counts(inventory) == (1, 1, 1)
    assert await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)


async def test_comparison_finds_tags_and_children_of_indexes(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    children = [image(n) for n in range(3)]
    for child in children[:2]:
        registry.store(child)
    registry.store(index(*children), "both")
    await push(inventory, Reference(tag="gone"), image(9))

    await inventory.compare(APP, thorough=True)

    assert counts(inventory) == (1, 3, 1)


async def test_failed_comparison_changes_nothing(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, image(1))
    registry.down = True

    with pytest.raises(RegistryUnavailableError):
        await inventory.compare(APP, thorough=True)

    assert counts(inventory) == (1, 1, 1)


async def test_counts_after_each_of_many_pushes_are_those_of_the_whole_repository(
    inventory: Inventory,
) -> None:
    """A push is counted without reading the rest of the repository."""
    chosen = Random(7)
    digests = [f"sha256:{number:064x}" for number in range(40)]
    whole = Contents()
    for _ in range(1500):
        digest = chosen.choice(digests)
        links = links_of_number(digests, digests.index(digest))
        tag = chosen.choice(["", f"v{chosen.randrange(12)}"])
        intent = await inventory.begin(APP, Reference(tag, "" if tag else digest), digest, links)
        inventory.stored(intent)

        whole.put(digest, links)
        if tag:
            whole.point(tag, digest)
        else:
            whole.count_until(digest, time.time() + GRACE)
        usage, found = RepositoryUsage(whole), inventory.usage["ns"]
        [stream] = found.streams.values()
        assert stream.images == usage.images
        assert stream.tags == usage.tags
        assert stream.untagged == len(whole.images) - len(stream.images)
        assert (found.image_count, found.tag_count) == (len(stream.images), len(usage.tags))
        assert {tag: stream.latest(tag) for tag in stream.tags} == whole.tags


def links_of_number(digests: list[str], number: int) -> Links:
    """Every third manifest is an index of earlier ones, every fifth refers to an earlier one."""
    children = digests[max(number - 3, 0) : number] if number % 3 == 0 else []
    return Links(frozenset(children), digests[number - 1] if number % 5 == 4 else "")
