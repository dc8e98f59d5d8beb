"""The repositories and manifests that the gateway could not read, with the reasons."""

import logging
from collections.abc import Iterable

from app.quota.state import StateUnavailableError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.inventory")

_NOT_LISTED = "the registry's catalog is being listed"
_SHOWN = 5


class Coverage:
    """Tracks the repositories and manifests that are not read yet, or cannot be read.

    Pushes to a namespace wait while one of its repositories is unread.
    """

    def __init__(self) -> None:
        self.catalog_problem = _NOT_LISTED
        """The reason why the catalog is not listed; "" once it is."""
        self.unread: dict[Repository, str] = {}
        """The unread repositories of the catalog, with the error of the last attempt."""
        self.unreadable: dict[tuple[Repository, str], str] = {}
        """Tags and digests that the registry fails to answer for, with the error. They count as
        stored."""

    @classmethod
    def whole(cls) -> "Coverage":
        """For a gateway that reads ImageStreams instead of the registry: nothing is unread."""
        coverage = cls()
        coverage.catalog_problem = ""
        return coverage

    def listed(self, names: Iterable[Repository]) -> None:
        """Note that the catalog is listed. `names`: its repositories that are not known yet."""
        self.catalog_problem = ""
        self.unread = {name: self.unread.get(name, "") for name in names}

    def not_listed(self, problem: str) -> None:
        """Note that the catalog cannot be listed. An earlier list stays in force."""
        logger.warning("catalog not listed", extra={"problem": problem})
        if self.catalog_problem:
            self.catalog_problem = f"the registry's catalog cannot be listed: {problem}"

    @property
    def complete(self) -> bool:
        return not self.catalog_problem and not self.unread

    def numbers(self, listed: int) -> dict[str, int]:
        """Counts for the log."""
        return {
            "repositories": listed,
            "unread": len(self.unread),
            "unreadable": len(self.unreadable),
        }

    def of_namespace(self, namespace: str) -> set[Repository]:
        """The unread repositories of a namespace."""
        return {repository for repository in self.unread if repository.namespace == namespace}

    def require_listed(self) -> None:
        """Raises StateUnavailableError."""
        if self.catalog_problem:
            raise StateUnavailableError(self.catalog_problem)

    def problems(self) -> list[str]:
        """The reasons to refuse every push; empty if there is none."""
        return [self.catalog_problem] if self.catalog_problem else []

    def warnings(self) -> list[str]:
        """The repositories and manifests that are unread or unreadable, with some of the causes.

        Pushes to other namespaces go on.
        """
        failed = [f"repository {one}: {why}" for one, why in self.unread.items() if why]
        unreadable = [
            f"{repository}:{reference} counts as stored and cannot be read: {why}"
            for (repository, reference), why in self.unreadable.items()
        ]
        waiting = len(self.unread) - len(failed)
        return [
            *([f"{waiting} repositories have not been read yet"] if waiting else []),
            *_some(failed),
            *_some(unreadable),
        ]


def _some(texts: list[str]) -> list[str]:
    more = len(texts) - _SHOWN
    return [*texts[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
