"""What a state offers to people who want to look at it, in a folder or in a cluster."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from app.model.limits import LimitRange, NamespaceLimits, ResourceQuota
from app.quota.in_flight import InFlight
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage


class Inventory(Protocol):
    """What is stored, limited and reserved."""

    def namespaces(self) -> list[str]:
        """Every namespace that has a limit or an ImageStream, in alphabetical order."""

    def limits(self, namespace: str) -> NamespaceLimits: ...

    def limit_ranges(self, namespace: str) -> Sequence[LimitRange]: ...

    def quotas(self, namespace: str) -> Sequence[ResourceQuota]: ...

    def usage(self, namespace: str) -> NamespaceUsage: ...

    def pushed(self, namespace: str) -> Mapping[StreamTag, datetime]:
        """When the tags of a namespace were last pushed, where that is known."""

    async def in_flight(self, namespace: str) -> InFlight | None:
        """What is reserved in a namespace; None if nobody tells."""

    async def expect_sizes(self, count: int) -> None:
        """Prepare for being asked for the sizes of so many images. Raises ApiError."""

    async def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        """Bytes of those images that are known. Raises ApiError."""

    def notes(self) -> list[str]:
        """What could not be read, and why; empty if this is the whole truth."""

    def changes(self) -> AsyncGenerator[None, None]:
        """Yields when something has changed, for as long as it is asked."""
