"""Counts the tags and images of a plain registry.

A successful push adds its members. The gateway asks the registry after a delete, after a push
without an answer, and when a comparison finds a difference; then the answer counts. Until then,
members that may be stored count as stored.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from app.gateway.contents import NO_LINKS, Contents, Links, unreadable
from app.gateway.coverage import Coverage
from app.gateway.database import Database, DatabaseError, Intent
from app.gateway.doubts import Doubts
from app.gateway.due import Due
from app.gateway.questions import Answer, Check, Found, Questioner, Unreadable, findings_of
from app.gateway.repository_usage import RepositoryUsage
from app.quota.members import Members
from app.quota.usage import UsageIndex
from app.registry.client import RegistryUnavailableError
from app.registry.names import Reference, Repository

logger = logging.getLogger("registry_admission.inventory")

_SETTLE = 5.0
"""Seconds after which the gateway believes that a push without an answer was not stored. Until then
the registry may still store it."""
_DELETION = 8.0
"""Seconds that a client waits after a deletion until the registry has been asked."""


class Inventory:
    """The usage of every repository, as the registry has answered so far."""

    def __init__(
        self,
        database: Database,
        questioner: Questioner,
        coverage: Coverage,
        *,
        grace: float,
        settle: float = _SETTLE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`grace`: seconds that an image without a tag counts after its push. `settle`: seconds
        between the two questions about an interrupted push."""
        self._database = database
        self._questioner = questioner
        self._coverage = coverage
        self._grace = grace
        self._settle = settle
        self._doubts = Doubts(settle)
        self._clock = clock
        self._contents = database.contents()
        self._due = Due()
        self._expiries: dict[Repository, asyncio.TimerHandle] = {}
        self.something_due = self._due.something
        self.usage = UsageIndex()
        for repository, contents in list(self._contents.items()):
            self._publish(repository)
            for reference in unreadable(str(repository), contents):
                coverage.unreadable[repository, reference] = "it could not be read earlier"

    @property
    def repositories(self) -> set[Repository]:
        """The repositories with a tag or a manifest."""
        return set(self._contents)

    def knows(self, repository: Repository) -> bool:
        return repository in self._contents

    @property
    def untagged(self) -> int:
        """The number of stored images that do not count."""
        return sum(self.usage[namespace].untagged for namespace in self.usage)

    def brought(self, repository: Repository, digest: str, links: Links) -> Members:
        """The images that count once this manifest is stored."""
        contents = self._contents.get(repository, Contents())
        images = {digest} | contents.reach([digest, *links.children])
        return Members(images=frozenset((repository.stream, one) for one in images))

    def freed(self, repository: Repository, digest: str, links: Links, tag: str) -> Members:
        """The images that no longer count once the tag points at this manifest."""
        gone = self._contents.get(repository, Contents()).freed(tag, digest, links)
        return Members(images=frozenset((repository.stream, one) for one in gone))

    async def begin(
        self, repository: Repository, reference: Reference, digest: str, links: Links = NO_LINKS
    ) -> Intent:
        """Record that a manifest is about to be forwarded.

        Raises DatabaseError. Then the manifest must not be forwarded.
        """
        intent = await self._database.begin(repository, reference, digest, links)
        self._begin(intent)
        return intent

    def stored(self, intent: Intent) -> None:
        """Count a manifest that the registry has stored.

        If another push or a deletion touches the tag as well, the registry says which was last.
        """
        key = (intent.repository, intent.reference.tag)
        if self._due.is_postponed(*key) or key in self._doubts:
            self.unknown(intent)
        else:
            self._finish(intent, stored=True)

    def not_stored(self, intent: Intent) -> None:
        """Note that the registry has refused the manifest."""
        self._finish(intent, stored=False)

    def unknown(self, intent: Intent) -> None:
        """The outcome is unknown. The manifest, and the image that its tag pointed at before, count
        until the registry has been asked. The intent stays in the file as long."""
        repository = intent.repository
        contents = self._contents.setdefault(repository, Contents())
        if kept := self._doubts.begin(intent, contents.tags.get(intent.reference.tag, "")):
            contents.keep(kept)
        self._add(intent, self._until(intent))
        self._end(intent)
        self._due.add(repository, intent.references)

    async def deleted(self, repository: Repository, reference: Reference) -> None:
        """Ask the registry about a deleted tag, or a deleted manifest and its tags.

        If the registry does not answer, it is asked again later.
        """
        references = self._touched_by(repository, reference)
        try:
            async with asyncio.timeout(_DELETION):
                await self._ask_now(repository, references)
        except TimeoutError:
            self._due.add(repository, references)

    def doubt(self, repository: Repository, reference: Reference) -> None:
        """Ask the registry later about a deletion that had no answer."""
        self._due.add(repository, self._touched_by(repository, reference))

    async def recover(self) -> None:
        """Count the pushes that were in flight when the last process ended; ask for them later."""
        for intent in self._database.intents():
            logger.info("outcome unknown", extra={"repository": str(intent.repository)})
            self._begin(intent)
            self.unknown(intent)

    def _touched_by(self, repository: Repository, deleted: Reference) -> set[str]:
        if deleted.tag:
            return {deleted.tag}
        tags = self._contents.get(repository, Contents()).tags.items()
        return {deleted.digest, *(tag for tag, digest in tags if digest == deleted.digest)}

    async def ask_due(self) -> bool:
        """Ask for every reference that is due. Return whether all questions were answered.

        A reference that becomes due meanwhile is no failure.
        """
        asking = (self._ask_now(*question) for question in self._due.take().items())
        return all(await asyncio.gather(*asking))

    async def _ask_now(self, repository: Repository, references: set[str]) -> bool:
        try:
            await self._verify(Check(repository, urgent=True), references)
        except (RegistryUnavailableError, DatabaseError) as error:
            logger.warning("registry not asked", extra={"problem": str(error)})
            self._due.add(repository, references)
            return False
        return True

    async def compare(
        self, repository: Repository, *, thorough: bool, urgent: bool = False, anew: bool = False
    ) -> None:
        """Compare the registry's tag list with the known tags, and ask for those that differ.

        `thorough`: ask for every tag and every manifest. `anew`: read known indexes as well. Raises
        RegistryUnavailableError and DatabaseError.
        """
        found = await self._questioner.tags(repository, urgent=urgent)
        known = self._contents.get(repository, Contents())
        unreadable = {ref for one, ref in self._coverage.unreadable if one == repository}
        if thorough:
            references = {*found, *known.tags, *known.images}
        else:
            differing = found ^ known.tags.keys()
            pointed_at = {known.tags[tag] for tag in differing & known.tags.keys()}
            references = differing | pointed_at | unreadable
        await self._verify(Check(repository, urgent, anew), references)

    def _finish(self, intent: Intent, *, stored: bool) -> None:
        until = self._until(intent)
        self._write(intent, stored, until)
        if stored:
            self._add(intent, until)
        self._end(intent)

    def _until(self, intent: Intent) -> float:
        """The end of the grace period of an image that is pushed now; 0 with a tag."""
        return 0.0 if intent.reference.tag else self._clock() + self._grace

    def _write(self, intent: Intent, stored: bool, until: float) -> None:
        written = self._database.finish(intent, stored=stored, counts_until=until)
        written.add_done_callback(partial(self._finished, intent))

    def _finished(self, intent: Intent, written: asyncio.Future[None]) -> None:
        if not written.cancelled() and (error := written.exception()):
            # The outcome counts in memory. The intent stays in the file.
            logger.error("outcome not written", extra={"problem": str(error)})
            self._due.add(intent.repository, intent.references)

    def _add(self, intent: Intent, until: float) -> None:
        """Count a manifest. `until`: the end of its grace period if it has no tag."""
        repository, digest, tag = intent.repository, intent.digest, intent.reference.tag
        contents = self._contents.setdefault(repository, Contents())
        contents.put(digest, intent.links)
        if tag:
            contents.point(tag, digest)
        else:
            contents.count_until(digest, until)
        self._publish(repository)

    async def _verify(self, check: Check, references: Iterable[str]) -> None:
        repository = check.repository
        check.disturbed |= self._due.touched(repository)
        known = self._contents.get(repository, Contents())
        try:
            answers = await self._questioner.ask(check, references, known)
            early = self._doubts.early(repository, answers)
            await self._apply(repository, {ref: answers[ref] for ref in answers.keys() - early})
        except BaseException:
            self._due.add(repository, check.took_over)
            raise
        self._due.add(repository, set(references) & check.disturbed)
        asyncio.get_running_loop().call_later(self._settle, self._due.add, repository, early)

    async def _apply(self, repository: Repository, answers: dict[str, Answer]) -> None:
        known = self._contents.get(repository, Contents())
        findings = findings_of(repository, answers, known)
        contents = self._contents.setdefault(repository, Contents())
        for digest, links in findings.images.items():
            if links is None:
                contents.drop(digest)
            else:
                contents.put(digest, links)
        for tag, target in findings.tags.items():
            if target is None:
                contents.untag(tag)
            else:
                contents.point(tag, target)
        for reference, answer in answers.items():
            if isinstance(answer, Unreadable):
                self._coverage.not_readable(repository, reference, answer.problem)
                continue
            self._coverage.unreadable.pop((repository, reference), None)
            doubt = self._doubts.end(repository, reference)
            for intent in doubt.intents:
                stored = isinstance(answer, Found) and answer.digest == intent.digest
                self._write(intent, stored, contents.counts_until.get(intent.digest, 0.0))
            for kept in doubt.kept:
                contents.release(kept)
        self._publish(repository)
        if answers:  # Last, because what a push stores meanwhile is newer than these answers.
            await self._database.apply(repository, findings)

    def _publish(self, repository: Repository) -> None:
        """Count the changes of a repository, and count again when its next grace period ends."""
        contents = self._contents.setdefault(repository, Contents())
        contents.settle(self._clock())
        namespace = self.usage[repository.namespace]
        usage = namespace.streams.get(repository.stream)
        if not contents:
            self.usage.put(repository.namespace, repository.stream, None)
            del self._contents[repository]
        elif isinstance(usage, RepositoryUsage):
            usage.follow(contents, namespace, repository.stream)
        else:
            self.usage.put(repository.namespace, repository.stream, RepositoryUsage(contents))
        if timer := self._expiries.pop(repository, None):
            timer.cancel()
        if (end := contents.next_end()) is not None:
            later = asyncio.get_running_loop().call_later
            wait = end - self._clock()
            self._expiries[repository] = later(wait, self._publish, repository)

    def _begin(self, intent: Intent) -> None:
        self._due.begin(intent)
        self._disturb(intent)

    def _end(self, intent: Intent) -> None:
        self._disturb(intent)
        self._due.end(intent)

    def _disturb(self, intent: Intent) -> None:
        for reference in intent.references:
            self._questioner.disturb(intent.repository, reference)
