"""The file of a gateway's counts: its version, its registry and its process."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.gateway.contents import NO_LINKS
from app.gateway.database import Database, DatabaseError
from app.registry.names import Reference
from tests.unit.inventories import APP, ORIGIN, write_version


async def test_database_of_version_1_is_filled_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(
            "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE images (namespace TEXT, stream TEXT, digest TEXT);"
            "CREATE TABLE tags (namespace TEXT, stream TEXT, tag TEXT, digest TEXT NOT NULL);"
            "CREATE TABLE intents (id INTEGER PRIMARY KEY, namespace TEXT, stream TEXT, tag TEXT,"
            " digest TEXT NOT NULL);"
            f"INSERT INTO facts VALUES ('upstream', '{ORIGIN}'), ('filled', 'yes');"
            "INSERT INTO intents VALUES (1, 'ns', 'app', 'v1', 'sha256:x');"
        )

    opened = Database(path, ORIGIN)

    assert not opened.filled
    assert (opened.contents(), opened.intents()) == ({}, [])
    opened.close()


async def test_interrupted_push_in_a_file_without_links_is_read(tmp_path: Path) -> None:
    """Files of version 2 had no links in their intents. Earlier programs can still use the file."""
    path = tmp_path / "gateway.db"
    Database(path, ORIGIN).close()
    earlier = "INSERT INTO intents (namespace, stream, tag, digest) VALUES (?, ?, ?, ?)"
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("ALTER TABLE intents DROP COLUMN links")
        older.execute(earlier, ("ns", "app", "v1", "sha256:x"))

    opened = Database(path, ORIGIN)
    [intent] = opened.intents()
    opened.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute(earlier, ("ns", "app", "v2", "sha256:y"))

    assert (intent.reference.tag, intent.links) == ("v1", NO_LINKS)
    again = Database(path, ORIGIN)
    assert len(again.intents()) == 2
    again.close()


async def test_file_of_version_2_may_lack_links_until_they_have_been_read(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    first = Database(path, ORIGIN)
    assert not first.has_old_links
    first.close()
    write_version(path, 2)

    for read in (False, True):
        upgraded = Database(path, ORIGIN)
        assert upgraded.has_old_links
        if read:
            await upgraded.mark_links_read()
            assert not upgraded.has_old_links
        upgraded.close()

    again = Database(path, ORIGIN)
    assert not again.has_old_links
    again.close()


async def test_action_that_fails_ends_no_other_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "gateway.db", ORIGIN)

    with pytest.raises(DatabaseError, match="surrogates not allowed"):
        await database.begin(APP, Reference(tag="\ud800"), "sha256:x", NO_LINKS)
    await database.begin(APP, Reference(tag="v1"), "sha256:x", NO_LINKS)

    assert [intent.reference.tag for intent in database.intents()] == ["v1"]
    database.close()


async def test_outcomes_share_the_next_transaction(tmp_path: Path) -> None:
    """A push waits for one durable write, not for two."""
    path = tmp_path / "gateway.db"
    database = Database(path, ORIGIN)
    written: list[str] = []
    database._connection.set_trace_callback(written.append)

    for number in range(3):
        tag = Reference(tag=f"v{number}")
        intent = await database.begin(APP, tag, "sha256:x", NO_LINKS)
        outcome = database.finish(intent, stored=True)
    await outcome

    assert written.count("COMMIT") == 4
    assert set(database.contents()[APP].tags) == {"v0", "v1", "v2"}
    assert database.intents() == []
    database.close()


async def test_a_database_belongs_to_one_process(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    first = Database(path, ORIGIN)
    with pytest.raises(DatabaseError, match="another gateway is using it"):
        Database(path, ORIGIN)
    first.close()

    Database(path, ORIGIN).close()


async def test_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    await asyncio.to_thread(path.write_bytes, b"not a database, but long enough to look at" * 100)

    with pytest.raises(DatabaseError, match="file is not a database"):
        Database(path, ORIGIN)


async def test_folder_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=f"{tmp_path}: Is a directory"):
        Database(tmp_path, ORIGIN)


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        pytest.param("PRAGMA user_version = 1", "of another program", id="another program"),
        pytest.param("PRAGMA user_version = 9", "of another program", id="also with our version"),
        pytest.param(
            "CREATE TABLE facts (name); PRAGMA user_version = 4", "by a later version", id="later"
        ),
    ],
)
async def test_database_of_another_program_or_a_later_version_stays_as_it_is(
    tmp_path: Path, statements: str, problem: str
) -> None:
    """Both have a table with a name of ours; an upgrade would drop it."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"CREATE TABLE images (path TEXT); {statements}")
    before = path.read_bytes()

    with pytest.raises(DatabaseError, match=problem):
        Database(path, ORIGIN)

    assert path.read_bytes() == before
