"""The gateway reads registries with odd contents, and tells what it cannot read."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.gateway.catalog import Catalog, RepositoryFileError, read_names
from app.gateway.coverage import Coverage
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.questions import Questioner
from app.gateway.reader import Reader
from app.gateway.reconciler import InventoryReconciler
from app.gateway.traffic import Traffic, Turns
from app.quota.state import StateUnavailableError
from app.registry.client import RegistryClient
from app.registry.names import Repository, parse_repository
from tests.unit.fake_registry import FakeRegistry
from tests.unit.pushes import digest_of, image, index

ORIGIN = "http://10.1.2.3:5000"
APP = Repository("ns", "app")


class Gateway:
    """The parts that read a registry."""

    def __init__(self, database: Database, registry: FakeRegistry, *names: str) -> None:
        client = RegistryClient(ORIGIN, transport=httpx.MockTransport(registry))
        self.coverage, self.database = Coverage(), database
        questioner = Questioner(client, Turns(Traffic()))
        self.inventory = Inventory(database, questioner, self.coverage, grace=900)
        self.reader = Reader(self.inventory, self.coverage)
        catalog = Catalog(client, frozenset(map(parse_repository, names)))
        self.reconciler = InventoryReconciler(
            database, catalog, self.inventory, self.reader, self.coverage, interval=0.2
        )

    async def run_until(self, condition: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.reconciler.run())
        try:
            async with asyncio.timeout(10):
                while not condition():
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def fill(self) -> None:
        await self.run_until(lambda: self.coverage.complete and self.database.filled)

    def counts(self, namespace: str = "ns") -> tuple[int, int, int]:
        usage = self.inventory.usage[namespace]
        return usage.stream_count, usage.image_count, usage.tag_count


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "gateway.db", ORIGIN)
    yield opened
    opened.close()


CHILD = image(1)
INDEX_OF_A_BLOB = index(CHILD, b"a blob that a build cache lists")
LOOSE_INDEX = json.dumps(
    {"Manifests": 1, "schemaVersion": "2", "manifests": [{"digest": digest_of(CHILD)}, {}, 7]}
).encode()
BROKEN_TAG = "/v2/ns/app/manifests/v1"


@pytest.mark.parametrize(
    ("registry", "counts"),
    [
        pytest.param(
            FakeRegistry({"ns/app": {"v1": INDEX_OF_A_BLOB}}, {digest_of(CHILD): CHILD}),
            (1, 2, 1),
            id="an index whose child is a blob",
        ),
        pytest.param(
            FakeRegistry({"ns/app": {"v1": LOOSE_INDEX}}, {digest_of(CHILD): CHILD}),
            (1, 2, 1),
            id="an index that could not be pushed",
        ),
        pytest.param(
            FakeRegistry({"ns/app": {"v1": b'{"manifests": 1}'}}),
            (1, 1, 1),
            id="an index without a list",
        ),
        pytest.param(
            FakeRegistry(
                {"ns/app": {"v1": CHILD, "v2": image(2)}},
                answers={BROKEN_TAG: httpx.Response(500)},
            ),
            (1, 2, 2),
            id="a tag that answers 500",
        ),
        pytest.param(
            FakeRegistry({"ns/app": {"v1": b"schema 1", "v2": CHILD}}, names_digests=False),
            (1, 2, 2),
            id="no digest in the head",
        ),
        pytest.param(
            FakeRegistry({"ns/app": {f"v{n}": CHILD for n in range(250)}}, largest_page=100),
            (1, 1, 250),
            id="a page of 1000 is refused",
        ),
        pytest.param(
            FakeRegistry(
                {"ns/app": {f"v{n}": CHILD for n in range(250)}},
                largest_page=100,
                link='<https://outside.example.com:8443/prefix{path}?{query}>; rel="next"',
            ),
            (1, 1, 250),
            id="the next page has another scheme and host",
        ),
        pytest.param(
            FakeRegistry(
                {"ns/app": {f"v{n}": CHILD for n in range(250)}},
                largest_page=100,
                link='<{path}?{query}>; title="a, b"; rel="next"',
            ),
            (1, 1, 250),
            id="the next page has a parameter before rel",
        ),
        pytest.param(
            FakeRegistry(
                {f"ns/app{n}": {"v1": CHILD} for n in range(25)} | {"top": {"v1": image(9)}},
                largest_page=10,
            ),
            (25, 1, 25),
            id="a catalog in pages, with a repository of no namespace",
        ),
        pytest.param(
            FakeRegistry({"ns/app": {}, "ns/web": {"v1": CHILD}}),
            (1, 1, 1),
            id="an empty repository",
        ),
    ],
)
async def test_odd_contents_of_a_registry_are_counted(
    database: Database, registry: FakeRegistry, counts: tuple[int, int, int]
) -> None:
    gateway = Gateway(database, registry)

    await gateway.fill()

    assert gateway.counts() == counts
    await gateway.reader.prepare(APP)


async def test_unreadable_tag_is_a_warning_until_it_is_readable(database: Database) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD, "v2": CHILD}})
    registry.answers[BROKEN_TAG] = httpx.Response(500)
    gateway = Gateway(database, registry)
    await gateway.fill()
    [warning] = gateway.coverage.warnings()

    registry.answers.clear()
    await gateway.run_until(lambda: not gateway.coverage.warnings())

    assert warning.startswith("ns/app:v1 counts as stored and cannot be read: ")
    assert warning.endswith("status 500")
    assert gateway.counts() == (1, 1, 2)


async def test_unreadable_repository_stops_only_its_own_namespace(
    database: Database,
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}, "ns/bad": {}, "other/app": {"v1": CHILD}})
    registry.answers["/v2/ns/bad/tags/list"] = httpx.Response(500)
    gateway = Gateway(database, registry)
    await gateway.run_until(lambda: gateway.counts("other") == (1, 1, 1))
    await gateway.run_until(lambda: bool(gateway.coverage.warnings()))

    await gateway.reader.prepare(Repository("other", "new"))
    with pytest.raises(StateUnavailableError, match=r"ns/bad/tags/list\?n=1000: status 500"):
        await gateway.reader.prepare(APP)
    assert gateway.coverage.problems() == []
    assert any("ns/bad" in text for text in gateway.coverage.warnings())

    del registry.answers["/v2/ns/bad/tags/list"]
    await gateway.reader.prepare(APP)
    assert gateway.coverage.warnings() == []


async def test_push_reads_only_the_repositories_of_its_namespace(database: Database) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}, "other/app": {"v1": CHILD}})
    gateway = Gateway(database, registry)
    gateway.coverage.listed(map(parse_repository, registry.repositories))

    await gateway.reader.prepare(APP)

    assert gateway.counts() == (1, 1, 1)
    assert gateway.coverage.of_namespace("other")
    assert "/v2/other/app/tags/list" not in registry.asked


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_without_a_catalog_the_first_push_reads_the_repository(
    database: Database, status: int
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD, "v2": CHILD, "v3": CHILD}})
    registry.answers["/v2/_catalog"] = httpx.Response(status)
    gateway = Gateway(database, registry)
    await gateway.fill()
    assert gateway.counts() == (0, 0, 0)

    await asyncio.gather(*(gateway.reader.prepare(APP) for _ in range(10)))

    assert gateway.counts() == (1, 1, 3)
    assert registry.asked["/v2/ns/app/tags/list"] == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_named_repositories_are_read_without_a_catalog(
    database: Database, status: int
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}})
    registry.answers["/v2/_catalog"] = httpx.Response(status)
    gateway = Gateway(database, registry, "ns/app")

    await gateway.fill()

    assert gateway.counts() == (1, 1, 1)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        pytest.param(httpx.Response(401), "give --upstream-auth an account", id="no credentials"),
        pytest.param(httpx.Response(403), "--repositories", id="no rights"),
        pytest.param(httpx.Response(400), "use --upstream https://", id="HTTPS is expected"),
        pytest.param(
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"),
            "--upstream-ca",
            id="another CA",
        ),
        pytest.param(
            httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            "use --upstream http://",
            id="no TLS",
        ),
        pytest.param(
            httpx.ConnectError("Connection refused"), "Connection refused", id="no connection"
        ),
        pytest.param(httpx.Response(200, json=[]), "no list of repositories", id="no list"),
        pytest.param(
            httpx.Response(
                200, json={"repositories": ["a/b"]}, headers={"Link": "<?n=1000>;rel=next"}
            ),
            "comes again",
            id="pages without end",
        ),
    ],
)
async def test_readiness_names_why_the_catalog_cannot_be_listed(
    database: Database, answer: httpx.Response | Exception, cause: str
) -> None:
    registry = FakeRegistry(answers={"/v2/_catalog": answer})
    gateway = Gateway(database, registry)

    await gateway.run_until(lambda: any(cause in text for text in gateway.coverage.problems()))

    with pytest.raises(StateUnavailableError, match="catalog cannot be listed"):
        await gateway.reader.prepare(APP)


async def test_known_registry_is_decided_on_while_it_is_down(
    database: Database,
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}})
    await Gateway(database, registry).fill()
    registry.answers["/v2/_catalog"] = httpx.ConnectError("down")
    gateway = Gateway(database, registry)

    await gateway.run_until(lambda: registry.asked["/v2/_catalog"] > 1)

    assert gateway.coverage.problems() == []
    assert gateway.counts() == (1, 1, 1)


async def test_background_questions_give_way_to_clients() -> None:
    traffic = Traffic()
    turns = Turns(traffic)
    asked = 0

    async def ask() -> None:
        nonlocal asked
        async with turns.one(urgent=False):
            asked += 1

    with traffic.request():
        waiting = [asyncio.create_task(ask()) for _ in range(20)]
        await asyncio.sleep(0)
        async with turns.one(urgent=True):
            assert asked == 0
    await asyncio.gather(*waiting)
    assert asked == 20


def test_file_of_repositories_has_one_name_a_line(tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_text("# ours\nns/app\n\n  ns/web/app  \n")
    assert read_names(file) == {APP, Repository("ns", "web/app")}

    file.write_text("ns/app\nUpper/case\n")
    with pytest.raises(RepositoryFileError, match="names:2: repository name 'Upper/case'"):
        read_names(file)
    with pytest.raises(RepositoryFileError, match="No such file"):
        read_names(tmp_path / "missing")
