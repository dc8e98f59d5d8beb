"""The port to the store of ledgers, which writes with compare-and-swap, and a store in memory."""

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from app.quota.ledger import Ledger


class LedgerConflictError(Exception):
    """Another replica has written the ledger since it was read. Read it and decide again."""


class LedgerStore(Protocol):
    replica: str
    """The name of this process among those that write the same ledgers; "" if it is alone."""

    def own(self, namespace: str) -> Ledger | None:
        """The ledger itself if no other process writes it: to change it is to write it.

        None if other processes write it. Then use `load` and `save`.
        """

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        """A copy of the ledger as last seen, and its version. It is empty if there is none.

        Raises StateUnavailableError if the ledger cannot be parsed.
        """

    async def refresh(self, namespace: str) -> tuple[Ledger, str]:
        """Read the ledger as it is now, and return it as `load` does.

        Called before a refusal: another replica may have changed the ledger meanwhile.
        """

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        """Replace the version that was loaded.

        Raises LedgerConflictError, and StateUnavailableError if the outcome is unknown.
        """

    async def recall(self, namespace: str) -> None:
        """Ask the other replicas to give their escrows back. Raises StateUnavailableError."""

    def on_recall(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the name of each namespace whose escrows another replica recalls."""

    def reservations(self) -> int:
        """The number of reservations in the ledgers that this replica knows."""


class MemoryLedgers:
    """Ledgers in the process, for a service that runs alone. There are no conflicts."""

    replica = ""

    def __init__(self) -> None:
        self._ledgers = defaultdict[str, Ledger](Ledger)

    def own(self, namespace: str) -> Ledger | None:
        return self._ledgers[namespace]

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        ledger = self._ledgers.get(namespace)
        return ledger.copy() if ledger is not None else Ledger(), ""

    async def refresh(self, namespace: str) -> tuple[Ledger, str]:
        return await self.load(namespace)

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        if ledger or ledger.escrows:
            self._ledgers[namespace] = ledger
        else:
            self._ledgers.pop(namespace, None)

    async def recall(self, namespace: str) -> None:
        """No other replica holds escrows."""

    def on_recall(self, listener: Callable[[str], None]) -> None:
        """No other replica recalls escrows."""

    def reservations(self) -> int:
        return sum(map(len, self._ledgers.values()))
