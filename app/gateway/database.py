"""The usage store in one SQLite file, which survives restarts.

An *intent* is written before a manifest is forwarded, and removed when the outcome is known. So the
gateway knows after a crash which pushes were in flight, and asks the registry about them.
"""

import asyncio
import fcntl
import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from app.gateway import schema
from app.gateway.contents import NO_LINKS, Contents, Links
from app.gateway.schema import SchemaError
from app.gateway.transactions import Transactions
from app.model.errors import UnusableError, file_problem
from app.registry.names import Reference, Repository

_DROP_TAG = "DELETE FROM tags WHERE namespace = ? AND stream = ? AND tag = ?"
_DROP_IMAGE = "DELETE FROM images WHERE namespace = ? AND stream = ? AND digest = ?"
_DROP_CHILDREN = "DELETE FROM children WHERE namespace = ? AND stream = ? AND parent = ?"
_MARK_UNREADABLE = "INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?)"
_DROP_UNREADABLE = "DELETE FROM unreadable WHERE namespace = ? AND stream = ? AND digest = ?"
_UNREADABLE = "SELECT namespace, stream, digest FROM unreadable NATURAL JOIN images"


class DatabaseError(UnusableError):
    """The file cannot be opened or written. The text has its name and the cause."""


@dataclass(frozen=True)
class Intent:
    """A manifest that is being forwarded to the registry."""

    number: int
    repository: Repository
    reference: Reference
    digest: str
    links: Links = NO_LINKS

    @property
    def references(self) -> list[str]:
        """The digest, and the tag if there is one."""
        return [self.digest, *([self.reference.tag] if self.reference.tag else [])]


@dataclass(frozen=True)
class Findings:
    """The registry's answers about some references."""

    tags: dict[str, str | None]
    """The digest of each tag; None for a tag that is gone."""
    images: dict[str, Links | None]
    """The links of each manifest; None for a manifest that is gone."""


class Database:
    """A write that is awaited is durable when it returns. If it raises DatabaseError, nothing has
    changed.

    Only one process at a time can open the file this way; `read_contents` can read it meanwhile.
    """

    def __init__(self, path: Path, upstream: str) -> None:
        """Raises DatabaseError."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
            self._connection = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            schema.require_usable(self._connection)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self.has_old_links = schema.prepare(self._connection)
            """Whether indexes may have more children than this file says."""
            if not self._fact("upstream"):
                self._set("upstream", upstream)
        except (sqlite3.Error, OSError, SchemaError) as error:
            raise DatabaseError(f"{path}: {_cause(path, error)}") from None
        self._transactions = Transactions(
            self._connection, lambda error: DatabaseError(f"{path}: {error}")
        )
        known = self._fact("upstream")
        if known != upstream:
            self.close()
            raise DatabaseError(
                f"{path} has the counts of {known}, not of {upstream}; name another --database"
            )

    def close(self) -> None:
        self._transactions.close()
        self._connection.close()
        self._lock.close()

    @property
    def filled(self) -> bool:
        """Whether every listed repository has been read."""
        return bool(self._fact("filled"))

    def contents(self) -> dict[Repository, Contents]:
        """Every repository with a tag or a manifest."""
        found = _contents(self._connection)
        for namespace, stream, digest in self._connection.execute(_UNREADABLE):
            contents = found[Repository(namespace, stream)]
            contents.put(digest, replace(contents.images[digest], complete=False))
        return found

    def intents(self) -> list[Intent]:
        """The pushes whose outcome is unknown."""
        return [
            Intent(
                number,
                Repository(namespace, stream),
                Reference(tag, "" if tag else digest),
                digest,
                _decoded(links),
            )
            for number, namespace, stream, tag, digest, links in self._connection.execute(
                "SELECT id, namespace, stream, tag, digest, links FROM intents"
            )
        ]

    async def mark_filled(self) -> None:
        await self._transactions.run(lambda: self._set("filled", "yes"))

    async def mark_links_read(self) -> None:
        """Note that every index has been read again."""
        await self._transactions.run(lambda: schema.mark_links_read(self._connection))
        self.has_old_links = False

    async def begin(
        self, repository: Repository, reference: Reference, digest: str, links: Links
    ) -> Intent:
        def insert() -> Intent:
            row = (*_key(repository), reference.tag, digest, _encoded(links))
            cursor = self._connection.execute(
                "INSERT INTO intents (namespace, stream, tag, digest, links) "
                "VALUES (?, ?, ?, ?, ?)",
                row,
            )
            return Intent(cursor.lastrowid or 0, repository, reference, digest, links)

        return await self._transactions.run(insert)

    def finish(
        self, intent: Intent, *, stored: bool, counts_until: float = 0.0
    ) -> asyncio.Future[None]:
        """Write the outcome with the next transaction. `counts_until`: end of the grace period of
        an image without a tag.

        No caller has to wait for the write: until then, the intent stays in the file, and after a
        crash the gateway asks the registry.
        """

        def end() -> None:
            self._connection.execute("DELETE FROM intents WHERE id = ?", (intent.number,))
            if stored:
                self._put(intent.repository, intent.digest, intent.links, counts_until)
                self._put_tag(intent.repository, intent.reference.tag, intent.digest)

        return self._transactions.run_soon(end)

    async def apply(self, repository: Repository, findings: Findings) -> None:
        def update() -> None:
            key = _key(repository)
            for digest, links in findings.images.items():
                if links is None:
                    self._connection.execute(_DROP_IMAGE, (*key, digest))
                    self._connection.execute(_DROP_CHILDREN, (*key, digest))
                    self._connection.execute(_DROP_UNREADABLE, (*key, digest))
                else:
                    self._put(repository, digest, links)
            for tag, target in findings.tags.items():
                if target is None:
                    self._connection.execute(_DROP_TAG, (*key, tag))
                else:
                    self._put_tag(repository, tag, target)

        await self._transactions.run(update)

    def _put(
        self, repository: Repository, digest: str, links: Links, counts_until: float = 0.0
    ) -> None:
        key = _key(repository)
        self._connection.execute(
            "INSERT INTO images VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "subject = max(subject, excluded.subject), "
            "counts_until = max(counts_until, excluded.counts_until)",
            (*key, digest, links.subject, counts_until),
        )
        mark = _DROP_UNREADABLE if links.complete else _MARK_UNREADABLE
        self._connection.execute(mark, (*key, digest))
        if links.children:
            self._connection.executemany(
                "INSERT OR IGNORE INTO children VALUES (?, ?, ?, ?)",
                [(*key, digest, child) for child in links.children],
            )

    def _put_tag(self, repository: Repository, tag: str, digest: str) -> None:
        if tag:
            row = (*_key(repository), tag, digest)
            self._connection.execute("INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)", row)

    def _fact(self, name: str) -> str:
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def _set(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def read_contents(path: Path) -> dict[Repository, Contents]:
    """Every repository in a file that a gateway may be writing. Raises DatabaseError."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
        with closing(connection):
            connection.execute("BEGIN")
            schema.require_contents(connection)
            return _contents(connection)
    except (sqlite3.Error, SchemaError) as error:
        raise DatabaseError(f"{path}: {_cause(path, error)}") from None


def _cause(path: Path, error: Exception) -> str:
    """Why the file cannot be used. SQLite has one text for a missing file, a folder and a missing
    right."""
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
            return "SQLite needs the right to write into its folder"
        try:
            path.open("rb").close()
        except OSError as found:
            error = found
    return file_problem(error) if isinstance(error, OSError) else str(error)


def _contents(connection: sqlite3.Connection) -> dict[Repository, Contents]:
    found: dict[Repository, Contents] = {}
    recent: list[tuple[Contents, str, float]] = []
    children: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for *parent, child in connection.execute("SELECT * FROM children"):
        children[tuple(parent)].add(child)
    for namespace, stream, digest, subject, until in connection.execute(
        "SELECT namespace, stream, digest, subject, counts_until FROM images"
    ):
        contents = found.setdefault(Repository(namespace, stream), Contents())
        listed = frozenset(children.get((namespace, stream, digest), ()))
        contents.put(digest, Links(listed, subject) if listed or subject else NO_LINKS)
        if until:
            recent.append((contents, digest, until))
    for namespace, stream, tag, digest in connection.execute("SELECT * FROM tags"):
        found.setdefault(Repository(namespace, stream), Contents()).point(tag, digest)
    for contents, digest, until in recent:
        contents.count_until(digest, until)
    return found


def _locked(path: Path) -> TextIO:
    """A file beside the database that is locked while it is open. Raises OSError."""
    lock = path.with_name(f"{path.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise DatabaseError(f"{path}: another gateway is using it; name another") from None
    return lock


def _encoded(links: Links) -> str:
    return json.dumps([links.subject, *links.children]) if links != NO_LINKS else ""


def _decoded(links: str) -> Links:
    if not links:
        return NO_LINKS
    subject, *children = json.loads(links)
    return Links(frozenset(children), subject)


def _key(repository: Repository) -> tuple[str, str]:
    return repository.namespace, repository.stream
