"""The gateway reads registries with odd contents, and reports unreadable parts."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from app.gateway.contents import NO_LINKS, Links
from app.gateway.database import Database, Findings
from app.quota.state import StateUnavailableError
from app.registry.names import Repository, parse_repository
from tests.patience import PATIENCE
from tests.unit.fake_registry import FakeRegistry
from tests.unit.inventories import write_version
from tests.unit.pushes import digest_of, image, index
from tests.unit.reading_gateway import APP, CHILD, ORIGIN, ReadingGateway

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
    gateway = ReadingGateway(database, registry)

    await gateway.fill()

    assert gateway.counts() == counts
    await gateway.reader.prepare(APP)


async def test_unreadable_tag_is_a_warning_until_it_is_readable(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning is for everybody, so that only the log has names, each of them once."""
    registry = FakeRegistry({"ns/app": {"v1": CHILD, "v2": CHILD}})
    registry.answers[BROKEN_TAG] = httpx.Response(500)
    gateway = ReadingGateway(database, registry)
    await gateway.fill()
    for _ in range(3):
        await gateway.inventory.compare(APP, thorough=True)
    [warning] = gateway.coverage.warnings()

    registry.answers.clear()
    await gateway.run_until(lambda: not gateway.coverage.warnings())

    assert warning == (
        "tags and manifests that cannot be read and count as stored (the log names them): 1"
    )
    [record] = [found for found in caplog.records if "cannot be read" in found.message]
    assert (vars(record)["repository"], vars(record)["reference"]) == ("ns/app", "v1")
    assert vars(record)["problem"].endswith("status 500")
    assert gateway.counts() == (1, 1, 2)


async def test_unreadable_repository_stops_only_its_own_namespace(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}, "ns/bad": {}, "other/app": {"v1": CHILD}})
    registry.answers["/v2/ns/bad/tags/list"] = httpx.Response(500)
    gateway = ReadingGateway(database, registry)
    await gateway.run_until(lambda: gateway.counts("other") == (1, 1, 1))
    warning = "repositories that cannot be read (the log names them): 1"
    await gateway.run_until(lambda: gateway.coverage.warnings() == [warning])

    await gateway.reader.prepare(Repository("other", "new"))
    with pytest.raises(StateUnavailableError, match=r"ns/bad/tags/list\?n=1000: status 500"):
        await gateway.reader.prepare(APP)
    assert gateway.coverage.problems() == []
    assert gateway.coverage.warnings() == [warning]
    [record] = [found for found in caplog.records if found.message == "not read"]
    assert vars(record)["repository"] == "ns/bad"

    del registry.answers["/v2/ns/bad/tags/list"]
    await gateway.reader.prepare(APP)
    assert gateway.coverage.warnings() == []


async def test_large_repository_is_read_on_while_pushes_give_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a catalog, the first push to a repository begins to read it."""
    monkeypatch.setattr("app.gateway.reader._WITHIN", 0.05)
    tags = {f"v{number}": CHILD for number in range(40)}
    registry = FakeRegistry({"ns/app": tags})

    async def slowly(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.02)
        return await registry(request)

    gateway = ReadingGateway(database, slowly)
    gateway.coverage.listed([])
    tries = 0
    async with asyncio.timeout(PATIENCE):
        while not gateway.counts()[0]:
            tries += 1
            with suppress(StateUnavailableError):
                await gateway.reader.prepare(APP)

    assert tries > 1
    assert gateway.counts() == (1, 1, 40)
    assert registry.asked["/v2/ns/app/tags/list"] == 1


async def test_few_repositories_are_read_at_once_however_many_pushes_give_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.reader._WITHIN", 0.05)
    names = [f"ns{number % 5}/app{number}" for number in range(400)]
    registry, answering = FakeRegistry({name: {"v1": CHILD} for name in names}), asyncio.Event()

    async def late(request: httpx.Request) -> httpx.Response:
        await answering.wait()
        return await registry(request)

    gateway = ReadingGateway(database, late)
    unread = list(map(parse_repository, names))
    gateway.coverage.listed(unread[:100])
    before = len(asyncio.all_tasks())
    pushes = [gateway.reader.prepare(one) for one in (*unread, *unread)]
    refusals = await asyncio.gather(*pushes, return_exceptions=True)
    left = len(asyncio.all_tasks()) - before

    assert {type(refusal) for refusal in refusals} == {StateUnavailableError}
    assert 0 < left <= 64
    answering.set()
    monkeypatch.setattr("app.gateway.reader._WITHIN", PATIENCE)
    await asyncio.gather(*map(gateway.reader.prepare, unread))
    assert sum(gateway.counts(f"ns{number}")[0] for number in range(5)) == 400


async def test_indexes_of_an_earlier_version_are_read_again(tmp_path: Path) -> None:
    """It left out children that an index lists with a false media type."""
    hidden, signature, path = image(2), image(3), tmp_path / "gateway.db"
    registry = FakeRegistry(
        {"ns/app": {"v1": index(CHILD, hidden)}},
        {digest_of(one): one for one in (CHILD, hidden, signature)},
    )
    known = Links(frozenset({digest_of(CHILD)}))
    images = {
        digest_of(index(CHILD, hidden)): known,
        digest_of(CHILD): NO_LINKS,
        digest_of(hidden): NO_LINKS,
        digest_of(signature): Links(subject=digest_of(CHILD)),
    }
    earlier = Database(path, ORIGIN)
    tags: dict[str, str | None] = {"v1": digest_of(index(CHILD, hidden))}
    await earlier.apply(APP, Findings(tags, {**images}))
    await earlier.mark_filled()
    earlier.close()
    write_version(path, 2)

    registry.answers["/v2/ns/app/tags/list"] = httpx.Response(503)
    database = Database(path, ORIGIN)
    gateway = ReadingGateway(database, registry)
    assert gateway.counts() == (1, 3, 1)
    await gateway.run_until(lambda: registry.asked["/v2/ns/app/tags/list"] > 2)
    assert database.has_old_links
    registry.answers.clear()
    await gateway.run_until(lambda: not database.has_old_links)

    assert gateway.counts() == (1, 4, 1)
    database.close()
    reopened = Database(path, ORIGIN)
    assert not reopened.has_old_links
    assert ReadingGateway(reopened, registry).counts() == (1, 4, 1)
    reopened.close()


async def test_push_reads_only_the_repositories_of_its_namespace(database: Database) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}, "other/app": {"v1": CHILD}})
    gateway = ReadingGateway(database, registry)
    gateway.coverage.listed(map(parse_repository, registry.repositories))

    await gateway.reader.prepare(APP)

    assert gateway.counts() == (1, 1, 1)
    assert gateway.coverage.of_namespace("other")
    assert "/v2/other/app/tags/list" not in registry.asked
