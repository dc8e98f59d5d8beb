"""The sets of a plain registry, kept by the gateway because nobody else keeps them.

A push that goes well adds its members. Everything else, such as a delete, an answer that never
came or a change behind the gateway's back, ends in a question to the registry, whose answer
counts. Until there is an answer, what may be stored counts as stored.
"""

import asyncio
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.gateway.database import Contents, Database, DatabaseError, Findings, Intent
from app.model.manifest import INDEXES
from app.quota.digests import Packed, pack
from app.quota.usage import StreamUsage, UsageIndex
from app.registry.client import RegistryClient, RegistryUnavailableError, StoredManifest
from app.registry.names import Reference, Repository

logger = logging.getLogger("registry_admission.inventory")

_CONCURRENT_QUESTIONS = 8
_SETTLE = 5.0
"""Seconds from a registry's first "no" about a push without an answer to the one that counts."""


class RepositoryUsage(StreamUsage):
    """The usage of a repository; unlike a stream it has manifests without a tag, too."""

    __slots__ = ("_all_images",)

    def __init__(self, contents: Contents) -> None:
        self._all_images = frozenset(map(pack, contents.images))  # counted with the others
        super().__init__({tag: (digest,) for tag, digest in contents.tags.items()})

    @property
    def packed_images(self) -> frozenset[Packed]:
        return self._all_images | super().packed_images


@dataclass(eq=False)
class _Check:
    """A question on its way; references that pushes touch meanwhile have no answer in it."""

    repository: Repository
    disturbed: set[str] = field(default_factory=set)


class Inventory:
    """Usage by repository, true to the registry as far as it was asked."""

    def __init__(self, database: Database, client: RegistryClient) -> None:
        self._database = database
        self._client = client
        self._contents = database.contents()
        self._active: Counter[tuple[Repository, str]] = Counter()
        self._checks: set[_Check] = set()
        self._asking = asyncio.Lock()
        self._questions = asyncio.Semaphore(_CONCURRENT_QUESTIONS)
        self._due: defaultdict[Repository, set[str]] = defaultdict(set)
        self._doubted: dict[tuple[Repository, str], float] = {}
        """What may come to be stored yet, and from when on a "no" about it counts."""
        self.something_due = asyncio.Event()
        self.usage = UsageIndex()
        for repository in self._contents:
            self._publish(repository)

    @property
    def repositories(self) -> list[Repository]:
        return list(self._contents)

    async def begin(self, repository: Repository, reference: Reference, digest: str) -> Intent:
        """A manifest is about to be forwarded. Raises DatabaseError: then it must not be."""
        intent = await self._database.begin(repository, reference, digest)
        self._touch(intent, 1)
        return intent

    async def stored(self, intent: Intent) -> None:
        """The registry has taken it."""
        await self._finish(intent, stored=True)

    async def not_stored(self, intent: Intent) -> None:
        """The registry has refused it."""
        await self._finish(intent, stored=False)

    async def unknown(self, intent: Intent) -> None:
        """Nobody knows: it counts as stored until the registry has been asked."""
        await self._finish(intent, stored=True)
        references = _references(intent)
        self._doubted |= {(intent.repository, reference): math.inf for reference in references}
        self._ask_later(intent.repository, references)

    async def deleted(self, repository: Repository, reference: Reference) -> None:
        """A tag, or a manifest with every tag that points at it, may be gone.

        Returns when the registry has been asked; if that fails, it is asked again later.
        """
        tags = self._contents.get(repository, Contents()).tags.items()
        pointing = [tag for tag, digest in tags if digest == reference.digest]
        self._ask_later(repository, [str(reference), *pointing])
        await self.ask_due()

    async def recover(self) -> None:
        """Count what was in flight when the last process ended, and have it asked for."""
        for intent in self._database.intents():
            logger.info("outcome unknown", extra={"repository": str(intent.repository)})
            self._touch(intent, 1)
            await self.unknown(intent)

    async def ask_due(self) -> bool:
        """Ask for everything that is due; False if something still is."""
        self.something_due.clear()
        for repository, references in list(self._due.items()):
            del self._due[repository]
            try:
                await self._verify(repository, references)
            except (RegistryUnavailableError, DatabaseError) as error:
                logger.warning("registry not asked", extra={"problem": str(error)})
                self._ask_later(repository, references)
        return not self._due

    async def scan(self, repository: Repository) -> None:
        """Ask for everything in a repository. Raises RegistryUnavailableError, DatabaseError."""
        found = {tag async for tag in self._client.tags(str(repository))}
        known = self._contents.get(repository, Contents())
        await self._verify(repository, {*found, *known.tags, *known.images}, with_children=True)

    async def _finish(self, intent: Intent, *, stored: bool) -> None:
        try:
            await self._database.finish(intent, stored=stored)
        except DatabaseError as error:
            # What came of it still counts from here on, and the file has the intent still.
            logger.error("outcome not written", extra={"problem": str(error)})
            self._ask_later(intent.repository, _references(intent))
        finally:
            if stored:
                contents = self._contents.setdefault(intent.repository, Contents())
                contents.images.add(intent.digest)
                if intent.reference.tag:
                    contents.tags[intent.reference.tag] = intent.digest
                self._publish(intent.repository)
            self._touch(intent, -1)

    async def _verify(
        self, repository: Repository, references: Iterable[str], *, with_children: bool = False
    ) -> None:
        """One question after another, so that no older answer replaces a newer one."""
        async with self._asking:
            check = _Check(repository)
            check.disturbed.update(ref for repo, ref in self._active if repo == repository)
            self._checks.add(check)
            try:
                answers = await self._ask(repository, set(references), with_children)
            finally:
                self._checks.discard(check)
            calm = {ref: found for ref, found in answers.items() if ref not in check.disturbed}
            early = {ref for ref, found in calm.items() if self._is_early((repository, ref), found)}
            await self._apply(repository, {ref: calm[ref] for ref in calm.keys() - early})
        self._ask_later(repository, answers.keys() & check.disturbed)
        asyncio.get_running_loop().call_later(_SETTLE, self._ask_later, repository, early)

    def _is_early(self, key: tuple[Repository, str], found: StoredManifest | None) -> bool:
        """Whether an answer is a "no" that does not count yet."""
        now = asyncio.get_running_loop().time()
        until = self._doubted.get(key, 0.0)
        if found is not None or until <= now:
            self._doubted.pop(key, None)
            return False
        self._doubted[key] = min(until, now + _SETTLE)
        return True

    async def _ask(
        self, repository: Repository, references: set[str], with_children: bool
    ) -> dict[str, StoredManifest | None]:
        answers: dict[str, StoredManifest | None] = {}
        while references:
            asked = list(references)
            found = await asyncio.gather(*(self._head(repository, ref) for ref in asked))
            answers |= dict(zip(asked, found, strict=True))
            references = set()
            if with_children:
                indexes = {f.digest for f in answers.values() if f and f.media_type in INDEXES}
                for digest in indexes:
                    index = await self._client.manifest(str(repository), digest)
                    references.update(index.children if index else ())
                references -= answers.keys()
        return answers

    async def _head(self, repository: Repository, reference: str) -> StoredManifest | None:
        async with self._questions:
            return await self._client.manifest_head(str(repository), reference)

    async def _apply(
        self, repository: Repository, answers: dict[str, StoredManifest | None]
    ) -> None:
        tags = {ref: a.digest if a else None for ref, a in answers.items() if ":" not in ref}
        images = {ref: answer is not None for ref, answer in answers.items() if ":" in ref}
        await self._database.apply(repository, Findings(tags, images))
        contents = self._contents.setdefault(repository, Contents())
        for tag, digest in tags.items():
            if digest is None:
                contents.tags.pop(tag, None)
            else:
                contents.tags[tag] = digest
                contents.images.add(digest)
        contents.images -= {digest for digest, there in images.items() if not there}
        contents.images |= {digest for digest, there in images.items() if there}
        self._publish(repository)

    def _publish(self, repository: Repository) -> None:
        contents = self._contents[repository]
        if not (contents.tags or contents.images):
            del self._contents[repository]
        exists = repository in self._contents
        usage = RepositoryUsage(contents) if exists else None
        self.usage.put(repository.namespace, repository.stream, usage)

    def _ask_later(self, repository: Repository, references: Iterable[str]) -> None:
        wanted = set(references)
        if wanted:
            self._due[repository] |= wanted
            self.something_due.set()

    def _touch(self, intent: Intent, change: int) -> None:
        for reference in _references(intent):
            key = (intent.repository, reference)
            self._active[key] += change
            if not self._active[key]:
                del self._active[key]
            for check in self._checks:
                if check.repository == intent.repository:
                    check.disturbed.add(reference)


def _references(intent: Intent) -> list[str]:
    return [intent.digest, *([intent.reference.tag] if intent.reference.tag else [])]
