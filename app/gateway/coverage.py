"""The repositories and manifests that the gateway could not read.

Everybody may read `/readyz`, so its texts have numbers only. The log has the names and the reasons.
"""

import logging
from collections.abc import Iterable

from app.quota.state import StateUnavailableError
from app.registry.names import Repository

logger = logging.getLogger("registry_admission.inventory")

_NOT_LISTED = "the registry's catalog is being listed"
_CANNOT_LIST = "the registry's catalog cannot be listed; the log of the gateway says why"


class Coverage:
    """Tracks the repositories and manifests that are not read yet, or cannot be read.

    Pushes to a namespace wait while one of its repositories is unread.
    """

    def __init__(self) -> None:
        self.catalog_problem = _NOT_LISTED
        """The reason why the catalog is not listed; "" once it is."""
        self._catalog_error = ""
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
        self.catalog_problem = self._catalog_error = ""
        self.unread = {name: self.unread.get(name, "") for name in names}

    def not_listed(self, problem: str) -> None:
        """Note that the catalog cannot be listed. An earlier list stays in force."""
        if problem != self._catalog_error:
            logger.warning("catalog not listed", extra={"problem": problem})
        self._catalog_error = problem
        if self.catalog_problem:
            self.catalog_problem = _CANNOT_LIST

    def not_read(self, repository: Repository, problem: str) -> None:
        """Note that a repository cannot be read. Its namespace waits if the catalog has it."""
        if problem != self.unread.get(repository):
            logger.warning("not read", extra={"repository": str(repository), "problem": problem})
        if repository in self.unread:
            self.unread[repository] = problem

    def not_readable(self, repository: Repository, reference: str, problem: str) -> None:
        """Note that the registry fails to answer for a tag or digest."""
        if problem != self.unreadable.get((repository, reference)):
            about = {"repository": str(repository), "reference": reference, "problem": problem}
            logger.warning("manifest cannot be read, it counts as stored", extra=about)
        self.unreadable[repository, reference] = problem

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
        """How much is unread or unreadable. Pushes to other namespaces go on."""
        failed = sum(map(bool, self.unread.values()))
        counts = {
            "repositories that have not been read yet": len(self.unread) - failed,
            "repositories that cannot be read (the log names them)": failed,
            "tags and manifests that cannot be read and count as stored (the log names them)": len(
                self.unreadable
            ),
        }
        return [f"{what}: {count}" for what, count in counts.items() if count]
