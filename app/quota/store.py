"""Where ledgers are kept, with compare-and-swap."""

from collections.abc import Callable
from typing import Protocol

from app.quota.ledger import Ledger


class LedgerConflictError(Exception):
    """Another replica has written the ledger since it was read: read it again and decide again."""


class LedgerStore(Protocol):
    replica: str
    """Names this process among all that write the same ledgers; "" if there is no other."""

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        """A copy of the ledger as last seen, and its version; an empty one if there is none."""

    async def refresh(self, namespace: str) -> tuple[Ledger, str]:
        """The same as of now: a refusal must not rest on what another replica has changed."""

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        """Replace the version that was loaded. Raises LedgerConflictError."""

    async def recall(self, namespace: str) -> None:
        """Ask the other replicas to give their escrows back. Raises StateUnavailableError."""

    def on_recall(self, listener: Callable[[str], None]) -> None:
        """Have a listener told of each namespace whose escrows another replica asks for."""

    def reservations(self) -> int:
        """How many reservations are in flight, as far as this replica knows."""


class MemoryLedgers:
    """Ledgers in the process, for a service that runs alone: nothing can conflict."""

    replica = ""

    def __init__(self) -> None:
        self._ledgers: dict[str, Ledger] = {}

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
        """Nobody else holds any."""

    def on_recall(self, listener: Callable[[str], None]) -> None:
        """Nobody else asks for any."""

    def reservations(self) -> int:
        return sum(map(len, self._ledgers.values()))
