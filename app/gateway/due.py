"""The references that the registry has to be asked for."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable

from app.gateway.database import Intent
from app.registry.names import Repository

_Key = tuple[Repository, str]


class Due:
    """Collects references. A reference that a push touches is due only after that push."""

    def __init__(self) -> None:
        self.something = asyncio.Event()
        self._due: defaultdict[Repository, set[str]] = defaultdict(set)
        self._active: Counter[_Key] = Counter()
        """The number of pushes in flight that touch a reference."""
        self._postponed: set[_Key] = set()

    def touched(self, repository: Repository) -> set[str]:
        """The references of a repository that pushes touch now."""
        return {reference for one, reference in self._active if one == repository}

    def is_postponed(self, repository: Repository, reference: str) -> bool:
        """Whether the registry has to be asked for a reference that a push touches."""
        return (repository, reference) in self._postponed

    def add(self, repository: Repository, references: Iterable[str]) -> None:
        for reference in references:
            key = (repository, reference)
            if key in self._active:
                self._postponed.add(key)
            else:
                self._due[repository].add(reference)
                self.something.set()

    def take(self) -> dict[Repository, set[str]]:
        """Take out everything that is due."""
        self.something.clear()
        due, self._due = self._due, defaultdict(set)
        return due

    def __bool__(self) -> bool:
        return bool(self._due)

    def begin(self, intent: Intent) -> None:
        """A push begins. If another one touches its tag, the tag is due after both."""
        for reference in intent.references:
            key = (intent.repository, reference)
            if key in self._active and reference == intent.reference.tag:
                self._postponed.add(key)
            self._active[key] += 1

    def end(self, intent: Intent) -> None:
        """A push ends."""
        for reference in intent.references:
            key = (intent.repository, reference)
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]
                if key in self._postponed:
                    self._postponed.discard(key)
                    self.add(intent.repository, [reference])
