"""Asks the registry about references, and decides which of several answers counts."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from app.cluster.workers import each
from app.gateway.causes import explain
from app.gateway.contents import NO_LINKS, Contents, Links, unreadable_digest
from app.gateway.database import Findings
from app.gateway.traffic import AT_ONCE, Turns
from app.model.base import DIGEST_PATTERN
from app.model.manifest import INDEXES
from app.registry.client import RegistryClient, RegistryUnavailableError, StoredManifest
from app.registry.names import Repository

_ABOUT_THE_REGISTRY = frozenset({0, 401, 403, 429, 502, 503, 504})
"""Statuses that say nothing about the object in question. 0 stands for no answer."""
_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds until a question is repeated that has been answered with 429, if the answer names no
time."""
_LONGEST_PAUSE = 30.0
_DIGEST = re.compile(DIGEST_PATTERN, re.ASCII)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Found:
    digest: str
    links: Links


@dataclass(frozen=True)
class Unreadable:
    """The registry lists this reference and fails to answer for it."""

    problem: str


Answer = Found | Unreadable | None
"""None: the registry answers 404."""


@dataclass(eq=False)
class Check:
    """A running question about references of one repository."""

    repository: Repository
    urgent: bool
    """Whether a client waits for it."""
    anew: bool = False
    """Whether indexes are read that are known already."""
    disturbed: set[str] = field(default_factory=set)
    """References that a push has touched since. Their answers do not count."""
    superseded: set[str] = field(default_factory=set)
    """References that a newer check asks for. Only its answers count."""
    took_over: set[str] = field(default_factory=set)
    """References of older checks whose answers no longer count because of this check."""


class Questioner:
    """Asks the registry. Of two questions about one reference, the newer one's answer counts."""

    def __init__(self, client: RegistryClient, turns: Turns) -> None:
        self._client = client
        self._turns = turns
        self._checks: set[Check] = set()

    def disturb(self, repository: Repository, reference: str) -> None:
        """A push touches a reference, so answers to running questions about it do not count."""
        for check in self._checks:
            if check.repository == repository:
                check.disturbed.add(reference)

    async def tags(self, repository: Repository, *, urgent: bool) -> set[str]:
        """The registry's tag list. Raises RegistryUnavailableError."""

        async def listed() -> set[str]:
            return {tag async for tag in self._client.tags(str(repository))}

        return await self._patiently(listed, urgent)

    async def ask(
        self, check: Check, references: Iterable[str], known: Contents
    ) -> dict[str, Answer]:
        """The answers that count, for these references and for the children of new indexes.

        Raises RegistryUnavailableError.
        """
        answers: dict[str, Answer] = {}
        waiting = set(references)
        self._checks.add(check)
        try:
            while waiting:
                self._take_over(check, waiting)
                found = await self._all(check, waiting, known)
                answers |= found
                children = {
                    child
                    for answer in found.values()
                    if isinstance(answer, Found)
                    for child in answer.links.children
                }
                waiting = children - answers.keys() - known.images.keys()
        finally:
            self._checks.discard(check)
        void = check.disturbed | check.superseded
        return {ref: answer for ref, answer in answers.items() if ref not in void}

    def _take_over(self, check: Check, references: set[str]) -> None:
        for other in self._checks:
            if other is not check and other.repository == check.repository:
                other.superseded |= references
                check.took_over |= references

    async def _all(self, check: Check, references: set[str], known: Contents) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}

        async def ask(reference: str) -> None:
            answers[reference] = await self._one(check, reference, known)

        await each(references, ask, at_once=AT_ONCE)
        return answers

    async def _one(self, check: Check, reference: str, known: Contents) -> Answer:
        repository = str(check.repository)

        async def found() -> Found | None:
            stored = await self._client.manifest_head(repository, reference)
            if stored is None:
                return None
            return Found(stored.digest, await self._links(check, stored, known))

        try:
            return await self._patiently(found, check.urgent)
        except RegistryUnavailableError as error:
            if error.status in _ABOUT_THE_REGISTRY:
                raise
            return Unreadable(explain(error))

    async def _patiently(self, ask: Callable[[], Awaitable[Result]], urgent: bool) -> Result:
        """Repeat a question that the registry or its token service answers with 429, or with 503
        and a time, instead of a whole reading."""
        for pause in _PAUSES:
            async with self._turns.one(urgent=urgent):
                try:
                    return await ask()
                except RegistryUnavailableError as error:
                    if not error.passes:
                        raise
                    # It keeps its turn, so that the registry gets fewer other questions as well.
                    await asyncio.sleep(min(error.retry_after or pause, _LONGEST_PAUSE))
        async with self._turns.one(urgent=urgent):
            return await ask()

    async def _links(self, check: Check, stored: StoredManifest, known: Contents) -> Links:
        links = known.images.get(stored.digest)
        if stored.media_type not in INDEXES:
            return replace(links, complete=True) if links else NO_LINKS
        if links and links.complete and not check.anew:
            return links
        content = await self._client.content(str(check.repository), stored.digest)
        if content is None:
            message = f"{check.repository}@{stored.digest}: HEAD finds it, GET answers 404"
            raise RegistryUnavailableError(message, 404)
        return links_of(content.content)


def findings_of(repository: Repository, answers: Mapping[str, Answer], known: Contents) -> Findings:
    """Translate answers into findings. An unreadable reference stays as it is known, but its links
    are not complete. If nothing is known of it, it counts as present."""
    tags: dict[str, str | None] = {}
    images: dict[str, Links | None] = {}
    for reference, answer in answers.items():
        is_tag = ":" not in reference
        match answer:
            case Found(digest, links):
                images[digest] = links
                if is_tag:
                    tags[reference] = digest
            case Unreadable() if is_tag and reference not in known.tags:
                tags[reference] = unreadable_digest(str(repository), reference)
                images[unreadable_digest(str(repository), reference)] = NO_LINKS
            case Unreadable() if not is_tag:
                images[reference] = replace(known.images.get(reference, NO_LINKS), complete=False)
            case None if is_tag:
                tags[reference] = None
            case None:
                images.setdefault(reference, None)
    return Findings(tags, images)


def links_of(content: bytes) -> Links:
    """The links in a stored manifest. It may have a form that the gateway would refuse to push."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return NO_LINKS
    if not isinstance(document, dict):
        return NO_LINKS
    listed = document.get("manifests")
    children = map(_digest, listed if isinstance(listed, list) else ())
    return Links(frozenset(filter(None, children)), _digest(document.get("subject")))


def _digest(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else ""
