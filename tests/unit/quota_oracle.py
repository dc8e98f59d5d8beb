"""What may be stored, whichever limits each replica has heard of."""

from collections.abc import Iterator, Mapping

from tests.unit.quota_replica import Admitted, InFlight
from tests.unit.quota_storage import Count


class Oracle:
    """Notes each limit that is passed."""

    def __init__(self, *, relimits: bool) -> None:
        """`relimits`: limits are lowered and raised, and replicas hear of it one by one."""
        self._relimits = relimits
        self.admitted: list[Admitted] = []
        self.excess: list[str] = []

    @property
    def count(self) -> int:
        """How many requests have been admitted."""
        return len(self.admitted)

    def judge(
        self, before: Mapping[Count, int], after: Mapping[Count, int], stored: InFlight
    ) -> None:
        """Compare what is stored now with the limits that may have let it in."""
        bounds = list(self._bounding(stored))
        for what, count in after.items():
            most = max(self._allowed(what, one) for one in bounds)
            if count > before.get(what, 0) and count > most:
                self.excess.append(f"{what}: {count} of {most}")

    def _bounding(self, stored: InFlight) -> Iterator[Admitted]:
        """The request, and what was admitted later.

        Everybody counts a place in escrow from the moment at which it was taken. So what was
        admitted since then, under limits that the holder had not heard of, counts as later, too.
        """
        taking = stored.taking
        yield from self.admitted[stored.number :]
        for one in self.admitted[taking.number : stored.number]:
            if one.limits.version > taking.limits:
                yield one

    def _allowed(self, what: Count, admitted: Admitted) -> int:
        """What was over a limit that was lowered may stay, and come again."""
        used = admitted.used.get(what, 0) if self._relimits else 0
        return max(admitted.limits.most[what[0]], used)
