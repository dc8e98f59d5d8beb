"""Decides whether the stored objects are allowed, while replicas see limits at different times."""

from collections.abc import Iterator, Mapping

from tests.unit.quota_replica import Admitted, InFlight
from tests.unit.quota_storage import Count


class Oracle:
    """Records each exceeded limit."""

    def __init__(self, *, relimits: bool) -> None:
        """`relimits`: limits are lowered and raised, and replicas see the change one by one."""
        self._relimits = relimits
        self.admitted: list[Admitted] = []
        self.excess: list[str] = []

    @property
    def count(self) -> int:
        """The number of admitted requests."""
        return len(self.admitted)

    def judge(
        self, before: Mapping[Count, int], after: Mapping[Count, int], stored: InFlight
    ) -> None:
        """Compare the stored objects with the limits under which they may have been admitted."""
        bounds = list(self._bounding(stored))
        for what, count in after.items():
            most = max(self._allowed(what, one) for one in bounds)
            if count > before.get(what, 0) and count > most:
                self.excess.append(f"{what}: {count} of {most}")

    def _bounding(self, stored: InFlight) -> Iterator[Admitted]:
        """The request, and all requests that were admitted later.

        All replicas count a place in escrow from the moment when it was taken. So a request that
        was admitted since then, under limits that the holder had not seen, counts as later as well.
        """
        taking = stored.taking
        yield from self.admitted[stored.number :]
        for one in self.admitted[taking.number : stored.number]:
            if one.limits.version > taking.limits:
                yield one

    def _allowed(self, what: Count, admitted: Admitted) -> int:
        """Members above a lowered limit may stay, and may be stored again."""
        used = admitted.used.get(what, 0) if self._relimits else 0
        return max(admitted.limits.most[what[0]], used)
