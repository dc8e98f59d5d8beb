"""The port for reports: usage, limits and reservations of a folder or a cluster."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from app.model.limits import LimitRange, NamespaceLimits, ResourceQuota
from app.quota.in_flight import InFlight
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage
from app.reporting.stored_bytes import Blobs


class Inventory(Protocol):
    """Usage, limits and reservations of every namespace."""

    def namespaces(self) -> list[str]:
        """Every namespace that has a limit or an ImageStream, in alphabetical order."""

    def limits(self, namespace: str) -> NamespaceLimits: ...

    def limit_ranges(self, namespace: str) -> Sequence[LimitRange]: ...

    def quotas(self, namespace: str) -> Sequence[ResourceQuota]: ...

    def usage(self, namespace: str) -> NamespaceUsage: ...

    def pushed(self, namespace: str) -> Mapping[StreamTag, datetime]:
        """The last push time of each tag of a namespace, where it is known."""

    async def in_flight(self, namespace: str) -> InFlight | None:
        """The reservations of a namespace; None if they cannot be read."""

    async def expect_sizes(self, count: int, *, blobs: bool = False) -> None:
        """Announce the number of images whose sizes will be read, and whether their blobs will.

        Raises ApiError.
        """

    async def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        """Bytes of each image with a known size, by digest. Raises ApiError."""

    async def blobs(self, digests: Collection[str]) -> Mapping[str, Blobs]:
        """Bytes by blob of each image whose blobs are known, by digest. Raises ApiError."""

    def notes(self) -> list[str]:
        """The parts that could not be read, with the reason; empty if everything was read."""

    def changes(self) -> AsyncGenerator[None, None]:
        """Yield after each change, without end."""
