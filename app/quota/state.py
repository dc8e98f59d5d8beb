"""What every source of state offers, and how it says that it cannot answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.quota.ledger import View
from app.quota.usage import NamespaceUsage


class StateUnavailableError(Exception):
    """The state is not loaded or too old to decide on: the request is to be retried."""

    retry_after = 1
    """Seconds."""


@dataclass(frozen=True)
class NamespaceView:
    """What one decision about a namespace rests on.

    It is taken once, so that every part of the decision rests on the same limits.
    """

    namespace: str
    limits: NamespaceLimits


class ClusterState(Protocol):
    """Limits and usage as last seen; reading them never waits."""

    def problems(self) -> list[str]:
        """Why the state must not be decided on now; empty when it is loaded and fresh."""

    def view(self) -> View:
        """How much of what is stored is seen; `usage` is never older than that."""

    def limits(self, namespace: str) -> NamespaceLimits: ...

    def limited_namespaces(self) -> Sequence[str]:
        """The names of the namespaces that have any limit."""

    def usage(self, namespace: str) -> NamespaceUsage: ...

    def holds_images(self) -> bool:
        """Whether any namespace has an image that a change of storage could lose."""

    async def image(self, digest: str) -> ImageClaim | None:
        """What a stored Image says of itself; None if no Image of that digest is known."""


def view_of(state: ClusterState, namespace: str) -> NamespaceView:
    """Raises StateUnavailableError for a state, or a namespace, that must not be decided on."""
    require_available(state)
    return NamespaceView(namespace, state.limits(namespace))


def require_available(state: ClusterState) -> None:
    """Raises StateUnavailableError with every reason, rather than decide on a guess."""
    problems = state.problems()
    if problems:
        raise StateUnavailableError("; ".join(problems))
