"""Which repositories of the registry have not been read yet, and why."""

import logging
from collections.abc import Iterable

from app.quota.state import StateUnavailableError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.inventory")

_NOT_LISTED = "the registry's catalog is being listed"
_SHOWN = 5


class Coverage:
    """What is not known of the registry. A namespace is decided on when nothing of it is unread."""

    def __init__(self) -> None:
        self.catalog_problem = _NOT_LISTED
        """Why the names of the repositories are not known; empty once they are."""
        self.unread: dict[Repository, str] = {}
        """Repositories that the registry lists, with the failure of the latest attempt."""
        self.unreadable: dict[tuple[Repository, str], str] = {}
        """Tags and manifests that the registry lists and cannot give, with the failure. They
        count as stored."""

    @classmethod
    def whole(cls) -> "Coverage":
        """Nothing is unknown, because somebody else knows what the registry holds."""
        coverage = cls()
        coverage.catalog_problem = ""
        return coverage

    def listed(self, names: Iterable[Repository]) -> None:
        """The registry has named its repositories; these are not known."""
        self.catalog_problem = ""
        self.unread = {name: self.unread.get(name, "") for name in names}

    def not_listed(self, problem: str) -> None:
        """The registry has not named its repositories. What was known before stays in force."""
        logger.warning("catalog not listed", extra={"problem": problem})
        if self.catalog_problem:
            self.catalog_problem = f"the registry's catalog cannot be listed: {problem}"

    @property
    def complete(self) -> bool:
        return not self.catalog_problem and not self.unread

    def numbers(self, listed: int) -> dict[str, int]:
        """For the log."""
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
        """Why no push can be decided."""
        return [self.catalog_problem] if self.catalog_problem else []

    def warnings(self) -> list[str]:
        """What is missing while other pushes are decided: the number, and some causes."""
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
