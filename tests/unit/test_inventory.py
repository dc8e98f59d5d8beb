"""The gateway's sets: true to the registry, on the safe side while it is being asked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import app.gateway.inventory
from app.gateway.database import Database, DatabaseError
from app.gateway.inventory import Inventory
from app.model.manifest import OCI_INDEX, OCI_MANIFEST
from app.registry.client import RegistryClient, RegistryUnavailableError
from app.registry.names import Reference, Repository
from tests.unit.pushes import digest_of, image, index

ORIGIN = "http://10.1.2.3:5000"
APP = Repository("ns", "app")
V1, V2 = Reference(tag="v1"), Reference(tag="v2")


class FakeRegistry:
    """Manifests by reference; every question can be held up, or fail."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    def store(self, content: bytes, *tags: str) -> str:
        for reference in (digest_of(content), *tags):
            self.stored[reference] = content
        return digest_of(content)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        reference = request.url.path.rpartition("/")[2]
        content = self.stored.get(reference)
        tags = [name for name in self.stored if ":" not in name]
        await self.gate.wait()
        if reference == "list":
            return httpx.Response(200, json={"tags": tags})
        if content is None:
            return httpx.Response(404)
        media_type = OCI_INDEX if b'"manifests"' in content else OCI_MANIFEST
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest_of(content)}
        return httpx.Response(200, content=content, headers=headers)


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "gateway.db", ORIGIN)
    yield opened
    opened.close()


@pytest.fixture
def inventory(database: Database, registry: FakeRegistry) -> Inventory:
    return Inventory(database, client(registry))


def client(registry: FakeRegistry) -> RegistryClient:
    return RegistryClient(ORIGIN, transport=httpx.MockTransport(registry))


def counts(inventory: Inventory) -> tuple[int, int, int]:
    usage = inventory.usage["ns"]
    return usage.stream_count, usage.image_count, usage.tag_count


async def push(inventory: Inventory, reference: Reference, content: bytes) -> None:
    await inventory.stored(await inventory.begin(APP, reference, digest_of(content)))


async def test_what_is_stored_counts_and_what_is_refused_does_not(inventory: Inventory) -> None:
    await push(inventory, V1, image(1))
    await push(inventory, V2, image(1))
    await push(inventory, Reference(digest=digest_of(image(2))), image(2))
    await inventory.not_stored(await inventory.begin(APP, Reference(tag="v3"), "sha256:x"))

    assert counts(inventory) == (1, 2, 2)


async def test_a_tag_that_moves_leaves_its_image(inventory: Inventory) -> None:
    await push(inventory, V1, image(1))
    await push(inventory, V1, image(2))

    assert counts(inventory) == (1, 2, 1)


async def test_counts_survive_the_process(
    database: Database, registry: FakeRegistry, tmp_path: Path
) -> None:
    first = Inventory(database, client(registry))
    await push(first, V1, image(1))
    await push(first, Reference(digest=digest_of(image(2))), image(2))
    database.close()

    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    assert counts(Inventory(reopened, client(registry))) == (1, 2, 1)
    reopened.close()


@pytest.mark.parametrize("stored", [True, False])
async def test_an_interrupted_push_counts_until_the_registry_says_what_became_of_it(
    database: Database,
    registry: FakeRegistry,
    tmp_path: Path,
    stored: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.gateway.inventory, "_SETTLE", 0.01)
    await Inventory(database, client(registry)).begin(APP, V1, digest_of(image(1)))
    database.close()
    if stored:
        registry.store(image(1), "v1")
    registry.down = True
    reopened = Database(tmp_path / "gateway.db", ORIGIN)
    inventory = Inventory(reopened, client(registry))

    await inventory.recover()
    assert not await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)
    registry.down = False
    assert await inventory.ask_due()
    assert reopened.intents() == []

    # A registry that was held up may store it after its first answer.
    assert counts(inventory) == (1, 1, 1)
    if not stored:
        await asyncio.wait_for(inventory.something_due.wait(), 10)
    assert await inventory.ask_due()
    assert counts(inventory) == ((1, 1, 1) if stored else (0, 0, 0))
    reopened.close()


async def test_a_push_that_is_stored_after_the_first_no_keeps_its_place(
    database: Database, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.gateway.inventory, "_SETTLE", 0.01)
    inventory = Inventory(database, client(registry))
    await inventory.unknown(await inventory.begin(APP, V1, digest_of(image(1))))
    assert await inventory.ask_due()

    registry.store(image(1), "v1")
    await asyncio.wait_for(inventory.something_due.wait(), 10)
    assert await inventory.ask_due()

    assert counts(inventory) == (1, 1, 1)


async def test_a_deleted_manifest_takes_the_tags_along_that_the_registry_took(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    for reference in (V1, V2):
        await push(inventory, reference, image(1))
    await push(inventory, Reference(tag="other"), image(2))
    registry.store(image(2), "other")

    await inventory.deleted(APP, Reference(digest=digest_of(image(1))))

    assert counts(inventory) == (1, 1, 1)


async def test_the_last_deletion_takes_the_stream_along(inventory: Inventory) -> None:
    await push(inventory, V1, image(1))

    await inventory.deleted(APP, Reference(digest=digest_of(image(1))))

    assert counts(inventory) == (0, 0, 0)


async def test_a_deletion_counts_only_when_the_registry_confirms_it(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, image(1))
    registry.store(image(1), "v1")

    await inventory.deleted(APP, Reference(digest=digest_of(image(1))))

    assert counts(inventory) == (1, 1, 1)


async def test_a_push_during_a_question_is_not_undone_by_its_older_answer(
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


async def test_a_scan_finds_tags_and_the_children_of_indexes(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    children = [image(n) for n in range(3)]
    for child in children[:2]:
        registry.store(child)
    registry.store(index(*children), "both")
    await push(inventory, Reference(tag="gone"), image(9))

    await inventory.scan(APP)

    assert counts(inventory) == (1, 3, 1)


async def test_a_scan_that_fails_changes_nothing(
    inventory: Inventory, registry: FakeRegistry
) -> None:
    await push(inventory, V1, image(1))
    registry.down = True

    with pytest.raises(RegistryUnavailableError):
        await inventory.scan(APP)

    assert counts(inventory) == (1, 1, 1)


async def test_what_is_stored_counts_even_while_nothing_can_be_written(
    inventory: Inventory,
    database: Database,
    registry: FakeRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def full(*_arguments: object, **_keywords: object) -> None:
        raise DatabaseError("database or disk is full")

    intents = [await inventory.begin(APP, tag, digest_of(image(1))) for tag in (V1, V2)]
    registry.store(image(1), "v1")
    with monkeypatch.context() as patched:
        for name in ("finish", "apply"):
            patched.setattr(database, name, full)
        await inventory.stored(intents[0])
        await inventory.not_stored(intents[1])
        assert counts(inventory) == (1, 1, 1)
        assert not await inventory.ask_due()

    assert await inventory.ask_due()
    assert counts(inventory) == (1, 1, 1)
    assert len(database.intents()) == 2


async def test_a_database_is_about_one_registry(database: Database, tmp_path: Path) -> None:
    database.close()

    with pytest.raises(
        DatabaseError, match=r"is about http://10\.1\.2\.3:5000, not about http://b"
    ):
        Database(tmp_path / "gateway.db", "http://b")


@pytest.mark.usefixtures("database")
async def test_a_database_belongs_to_one_process(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="database is locked"):
        Database(tmp_path / "gateway.db", ORIGIN)


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    await asyncio.to_thread(path.write_bytes, b"not a database, but long enough to look at" * 100)

    with pytest.raises(DatabaseError, match="file is not a database"):
        Database(path, ORIGIN)
