"""The port to the state that decisions rest on: limits, ImageStreams and Images.

`app.cluster` has the adapters, for a cluster and for a folder of manifests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.quota.usage import NamespaceUsage
from app.quota.view import View


class StateUnavailableError(Exception):
    """There is no safe answer now, because the state is not loaded or too old. The client should
    send the request again."""

    retry_after = 1
    """Seconds until a retry is useful."""


@dataclass(frozen=True)
class NamespaceView:
    """The limits of a namespace at one moment.

    A decision takes one view, so that all its parts rest on the same limits.
    """

    namespace: str
    limits: NamespaceLimits


class ClusterState(Protocol):
    """Limits and usage as last seen. Reading them never waits, except for `image`."""

    def problems(self) -> list[str]:
        """The reasons not to decide now; empty if the state is loaded and fresh."""

    def view(self) -> View:
        """How far the ImageStreams are seen; `usage` is never older."""

    def limits(self, namespace: str) -> NamespaceLimits: ...

    def limited_namespaces(self) -> Sequence[str]:
        """The names of the namespaces that have any limit."""

    def usage(self, namespace: str) -> NamespaceUsage: ...

    def holds_images(self) -> bool:
        """Whether any namespace has an image that a change of storage could lose."""

    async def image(self, digest: str) -> ImageClaim | None:
        """The size and layers that a stored Image states; None if no such Image is known."""


def view_of(state: ClusterState, namespace: str) -> NamespaceView:
    """The view of one namespace.

    Raises StateUnavailableError if the state, or this namespace, must not be decided on.
    """
    require_available(state)
    return NamespaceView(namespace, state.limits(namespace))


def require_available(state: ClusterState) -> None:
    """Raises StateUnavailableError with every problem of the state."""
    problems = state.problems()
    if problems:
        raise StateUnavailableError("; ".join(problems))
