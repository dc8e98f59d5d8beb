"""A random walk of pushes, lost answers, deletions and comparisons at once, and a restart.

The inventory never counts less than the registry has stored, apart from pushes in flight, which
have reservations. In the end it counts exactly what the registry has stored.
"""

import asyncio
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.gateway.contents import NO_LINKS, Links
from app.gateway.database import Database, Intent
from app.gateway.inventory import Inventory
from app.gateway.questions import links_of
from app.registry.names import Reference
from tests.unit.inventories import APP, GRACE, ORIGIN, FakeRegistry, inventory_of, push
from tests.unit.pushes import digest_of, image, index

TAGS = ("v1", "v2", "v3")
CHILDREN = [image(size) for size in range(100, 103)]
BOTH = index(*CHILDREN)
SIGNATURE = image(200)
CONTENTS = {digest_of(content): content for content in (BOTH, SIGNATURE, *map(image, range(3)))}
LINKS = {
    digest_of(BOTH): Links(frozenset(map(digest_of, CHILDREN))),
    digest_of(SIGNATURE): Links(subject=digest_of(CHILDREN[0])),
}
STEPS = 80


class Walk:
    def __init__(self, inventory: Inventory, registry: FakeRegistry, random: Random) -> None:
        self.inventory = inventory
        self.registry = registry
        self.random = random
        self.sent: list[Intent] = []
        """Pushes that the registry has not decided yet."""
        self.decided: list[tuple[Intent, bool]] = []
        """Pushes whose answers are on their way, and whether they were stored."""

    async def push(self) -> None:
        tag, digest = self.random.choice(TAGS), self.random.choice(list(CONTENTS))
        links = LINKS.get(digest, NO_LINKS)
        untagged = self.random.random() < 0.1
        reference = Reference(digest=digest) if untagged else Reference(tag=tag)
        self.sent.append(await self.inventory.begin(APP, reference, digest, links))

    async def decide(self) -> None:
        if self.sent:
            intent = self._one_of(self.sent)
            stored = self.random.random() < 0.8
            if stored:
                self._store(intent)
            self.decided.append((intent, stored))

    async def answer(self) -> None:
        if self.decided:
            intent, stored = self._one_of(self.decided)
            lost = self.random.random() < 0.2
            outcome = self.inventory.stored if stored else self.inventory.not_stored
            (self.inventory.unknown if lost else outcome)(intent)
            if lost and not stored and self.random.random() < 0.5:
                self._store(intent)

    async def delete(self) -> None:
        tag = self.random.choice(TAGS)
        self.registry.stored.pop(tag, None)
        await self.inventory.deleted(APP, Reference(tag=tag))

    async def compare(self) -> None:
        await self.inventory.compare(APP, thorough=self.random.random() < 0.5)

    async def fail(self) -> None:
        """The registry begins or ceases to fail for a tag or a manifest."""
        self.registry.broken ^= {self.random.choice([*TAGS, *CONTENTS])}

    async def ask(self) -> None:
        await self.inventory.ask_due()

    def _store(self, intent: Intent) -> None:
        self.registry.store(CONTENTS[intent.digest], *filter(None, [intent.reference.tag]))

    def _one_of(self, waiting: list[Any]) -> Any:
        return waiting.pop(self.random.randrange(len(waiting)))

    def check(self) -> None:
        stream = self.inventory.usage[APP.namespace].streams.get(APP.stream)
        pushes = [*self.sent, *(one for one, _ in self.decided)]
        in_flight = {one.reference.tag for one in pushes}
        referrers = {one.digest for one in pushes} & LINKS.keys()
        for tag in self.registry.stored.keys() & set(TAGS) - in_flight:
            assert stream is not None
            assert tag in stream.tags
            digest = digest_of(self.registry.stored[tag])
            assert self.reached(digest) - (referrers - {digest}) <= stream.images

    def reached(self, digest: str) -> set[str]:
        """The stored images that a tag on this digest makes count."""
        found = {digest, *LINKS.get(digest, NO_LINKS).children}
        referrers = {one for one, links in LINKS.items() if links.subject in found}
        return (found | referrers) & self.registry.stored.keys()


@pytest.mark.parametrize("seed", range(20))
async def test_no_order_of_events_hides_what_the_registry_stores(seed: int, tmp_path: Path) -> None:
    database, registry, random = (
        Database(tmp_path / "gateway.db", ORIGIN),
        FakeRegistry(),
        Random(seed),
    )
    now = [time.time()]
    inventory = inventory_of(database, registry, lambda: now[0])
    for child in CHILDREN:
        await push(inventory, Reference(digest=registry.store(child)), child)
    now[0] += GRACE
    walk = Walk(inventory, registry, random)
    steps = (
        walk.push,
        walk.push,
        walk.decide,
        walk.decide,
        walk.answer,
        walk.answer,
        walk.delete,
        walk.compare,
        walk.ask,
        walk.fail,
    )
    running: set[asyncio.Task[None]] = set()

    for _ in range(STEPS):
        running.add(asyncio.create_task(random.choice(steps)()))
        for _ in range(random.randrange(6)):
            await asyncio.sleep(0)
        walk.check()
    await asyncio.gather(*running)
    if random.random() < 0.5:
        database.close()
        database = Database(tmp_path / "gateway.db", ORIGIN)
        inventory = inventory_of(database, registry, lambda: now[0])
        await inventory.recover()
        walk = Walk(inventory, registry, random)
        walk.check()
    while walk.sent:
        await walk.decide()
    while walk.decided:
        await walk.answer()
        walk.check()
    registry.broken.clear()
    await inventory.compare(APP, thorough=True)
    for _ in range(4):
        await inventory.ask_due()
        await asyncio.sleep(0.02)

    stored = {tag: digest_of(registry.stored[tag]) for tag in TAGS if tag in registry.stored}
    assert tags(inventory) == stored
    now[0] += GRACE
    await inventory.compare(APP, thorough=True)
    stream = inventory.usage[APP.namespace].streams.get(APP.stream)
    assert (stream.images if stream else set()) == set().union(*map(walk.reached, stored.values()))
    database.close()
    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    assert tags(inventory_of(reopened, registry)) == stored
    reopened.close()


def tags(inventory: Inventory) -> dict[str, str | None]:
    stream = inventory.usage[APP.namespace].streams.get(APP.stream)
    return {tag: stream.latest(tag) for tag in stream.tags} if stream else {}


@pytest.mark.parametrize("seed", range(20))
async def test_what_a_registry_failed_to_answer_for_is_counted_when_it_answers(
    seed: int, tmp_path: Path
) -> None:
    """The gateway learns of the contents, which are indexes in indexes, from the registry only."""
    random, registry = Random(seed), FakeRegistry()
    layers = [[image(number) for number in range(8)]]
    for _ in range(3):
        layers.append([index(*random.sample(layers[-1], 2)) for _ in range(3)])
    for content in chain(*layers):
        registry.store(content)
    for tag in TAGS:
        registry.store(random.choice(layers[-1]), tag)
    references = sorted(registry.stored)
    database = Database(tmp_path / "gateway.db", ORIGIN)
    inventory = inventory_of(database, registry)

    for _ in range(random.randrange(1, 5)):
        registry.broken = set(random.sample(references, 5))
        registry.half_gone = set(random.sample(references, 5))
        await inventory.compare(APP, thorough=random.random() < 0.5)
        if random.random() < 0.5:
            database.close()
            database = Database(tmp_path / "gateway.db", ORIGIN)
            inventory = inventory_of(database, registry)
    registry.broken.clear()
    registry.half_gone.clear()
    await inventory.compare(APP, thorough=False)

    counted = inventory.usage[APP.namespace].streams[APP.stream].images
    assert counted == whole(registry, TAGS)
    database.close()
    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    assert inventory_of(reopened, registry).usage[APP.namespace].image_count == len(counted)
    reopened.close()


def whole(registry: FakeRegistry, tags: Iterable[str]) -> set[str]:
    """The digests of every manifest that these tags reach in the registry."""
    found, waiting = set[str](), [registry.stored[tag] for tag in tags]
    while waiting:
        content = waiting.pop()
        found.add(digest_of(content))
        waiting += [registry.stored[child] for child in links_of(content).children]
    return found
