"""Registries without a catalog, and catalogs that cannot be listed."""

import asyncio
from pathlib import Path

import httpx
import pytest

from app.gateway.catalog import RepositoryFileError, read_names
from app.gateway.database import Database
from app.gateway.traffic import Traffic, Turns
from app.quota.state import StateUnavailableError
from app.registry.names import Repository
from tests.unit.fake_registry import FakeRegistry
from tests.unit.reading_gateway import APP, CHILD, ReadingGateway


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_without_a_catalog_the_first_push_reads_the_repository(
    database: Database, status: int
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD, "v2": CHILD, "v3": CHILD}})
    registry.answers["/v2/_catalog"] = httpx.Response(status)
    gateway = ReadingGateway(database, registry)
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
    gateway = ReadingGateway(database, registry, "ns/app")

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
async def test_log_has_once_why_the_catalog_cannot_be_listed(
    database: Database,
    answer: httpx.Response | Exception,
    cause: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everybody may read the reason on `/readyz`, and the cause has the registry's address."""
    monkeypatch.setattr("app.gateway.reconciler._RETRY", 0.01)
    registry = FakeRegistry(answers={"/v2/_catalog": answer})
    gateway = ReadingGateway(database, registry)

    await gateway.run_until(lambda: registry.asked["/v2/_catalog"] > 3)

    assert gateway.coverage.problems() == [
        "the registry's catalog cannot be listed; the log of the gateway says why"
    ]
    [record] = [found for found in caplog.records if found.message == "catalog not listed"]
    assert cause in vars(record)["problem"]
    with pytest.raises(StateUnavailableError, match="catalog cannot be listed"):
        await gateway.reader.prepare(APP)


async def test_known_registry_is_decided_on_while_it_is_down(
    database: Database,
) -> None:
    registry = FakeRegistry({"ns/app": {"v1": CHILD}})
    await ReadingGateway(database, registry).fill()
    registry.answers["/v2/_catalog"] = httpx.ConnectError("down")
    gateway = ReadingGateway(database, registry)

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
