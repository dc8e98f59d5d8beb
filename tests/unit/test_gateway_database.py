"""The file of a gateway's counts: its version, its registry and its process."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.gateway.database import Database, DatabaseError
from tests.unit.test_inventory import ORIGIN


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
