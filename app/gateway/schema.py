"""The tables of a gateway's database, and the upgrade of files of earlier versions."""

import sqlite3

from app.model.errors import UnusableError

_VERSION = 3
_OLD_LINKS = 2
"""Programs of version 2 left out the children that an index lists with another media type than that
of a manifest. The file keeps this version until the gateway has read every index again."""
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS images (
    namespace TEXT, stream TEXT, digest TEXT, subject TEXT NOT NULL, counts_until REAL NOT NULL,
    PRIMARY KEY (namespace, stream, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS children (
    namespace TEXT, stream TEXT, parent TEXT, child TEXT,
    PRIMARY KEY (namespace, stream, parent, child)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
    namespace TEXT, stream TEXT, tag TEXT, digest TEXT NOT NULL,
    PRIMARY KEY (namespace, stream, tag)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unreadable (
    namespace TEXT, stream TEXT, digest TEXT, PRIMARY KEY (namespace, stream, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY, namespace TEXT, stream TEXT, tag TEXT, digest TEXT NOT NULL
);
"""
_DROP_VERSION_1 = """
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS images;
DROP TABLE IF EXISTS tags;
DROP TABLE IF EXISTS intents;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
DELETE FROM facts WHERE name = 'filled';
COMMIT;
"""
"""Version 1 lacks the children of indexes, so the gateway reads the registry again."""
_ADD_LINKS = "ALTER TABLE intents ADD COLUMN links TEXT NOT NULL DEFAULT ''"


class SchemaError(UnusableError):
    """The database has no tables that this program can use."""


def require_usable(connection: sqlite3.Connection) -> None:
    """Raises SchemaError for tables of another program, or of a later version of this one."""
    tables = _tables(connection)
    if tables and "facts" not in tables:
        raise SchemaError("the SQLite database of another program; name the file of a gateway")
    version = _version(connection)
    if version > _VERSION:
        raise SchemaError(
            f"written by a later version of this program, with tables of version {version}; this "
            f"one knows version {_VERSION}"
        )


def require_contents(connection: sqlite3.Connection) -> None:
    """Raises SchemaError for tables that cannot be read before a gateway has prepared them."""
    require_usable(connection)
    if not _tables(connection):
        raise SchemaError("an empty database; name the file of a gateway that has started")
    if _version(connection) < _OLD_LINKS:
        raise SchemaError("written by an earlier version; start the gateway once with this file")


def prepare(connection: sqlite3.Connection) -> bool:
    """Make the tables, or upgrade those of an earlier version.

    Returns whether indexes may have more children than the file says.
    """
    version = _version(connection)
    if version < _OLD_LINKS:
        connection.executescript(_DROP_VERSION_1)
    connection.executescript(_TABLES)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(intents)")}
    if "links" not in columns:
        connection.execute(_ADD_LINKS)
    if version != _OLD_LINKS:
        mark_links_read(connection)
    return version == _OLD_LINKS


def mark_links_read(connection: sqlite3.Connection) -> None:
    """Note that every index has been read again."""
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
