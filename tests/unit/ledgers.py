"""Stores of ledgers that fail, hang, or are shared with other replicas."""

import asyncio
from collections.abc import Callable

from app.quota.ledger import Ledger, Reservation
from app.quota.state import StateUnavailableError
from app.quota.store import LedgerConflictError, MemoryLedgers


class Shared(MemoryLedgers):
    """Other processes may write the ledgers as well."""

    def own(self, namespace: str) -> None:
        """None of them."""


class Untouchable(Shared):
    async def load(self, namespace: str) -> tuple[Ledger, str]:
        raise OSError("disk on fire")


class Hanging(Shared):
    async def load(self, namespace: str) -> tuple[Ledger, str]:
        if namespace == "ns":
            await asyncio.Event().wait()
        return await super().load(namespace)


async def idle() -> None:
    """Let all tasks go on until each of them waits for an event or a time.

    A short sleep is no substitute: if the machine stops meanwhile, the other tasks get one step.
    """
    for _ in range(100):
        await asyncio.sleep(0)


class Versioned:
    """The API server of these stores: one ledger with a version."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.version = 0
        self.replicas: list[Replica] = []


class Replica(Shared):
    """The store of one replica. It learns of writes of others by a conflict only."""

    def __init__(self, shared: Versioned) -> None:
        super().__init__()
        self._shared = shared
        self._seen = Ledger(), "0"
        self._listeners: list[Callable[[str], None]] = []
        self.replica = f"replica-{len(shared.replicas)}"
        self.conflicts = 0
        shared.replicas.append(self)

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        return self._seen[0].copy(), self._seen[1]

    async def refresh(self, namespace: str) -> tuple[Ledger, str]:
        await asyncio.sleep(0)
        self._seen = self._shared.ledger.copy(), str(self._shared.version)
        return await self.load(namespace)

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        await asyncio.sleep(0)
        if version != str(self._shared.version):
            self.conflicts += 1
            await self.refresh(namespace)
            raise LedgerConflictError
        self._shared.ledger, self._shared.version = ledger.copy(), int(version) + 1
        self._seen = ledger.copy(), str(self._shared.version)

    async def recall(self, namespace: str) -> None:
        for other in self._shared.replicas:
            for listener in other._listeners if other is not self else ():
                listener(namespace)
        await asyncio.sleep(0)
        await self.refresh(namespace)

    def on_recall(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)


class Held(Replica):
    """A store whose writes wait until the test lets them arrive."""

    def __init__(self, shared: Versioned) -> None:
        super().__init__(shared)
        self.may_arrive = asyncio.Event()
        self.may_arrive.set()

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        await self.may_arrive.wait()
        await super().save(namespace, ledger, version)


class Doubtful(Replica):
    """A store that writes and then raises, if the test says so: the answer is lost."""

    silent = False

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        await super().save(namespace, ledger, version)
        if self.silent:
            raise StateUnavailableError("no answer")


class AlwaysLate(Replica):
    def hold(self, reservation: Reservation) -> None:
        self._shared.ledger = Ledger([reservation])
        self._seen = self._shared.ledger.copy(), "0"

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        self._shared.version += 1
        await super().save(namespace, ledger, version)


class Away(Replica):
    """A store whose writes fail while the API server is away."""

    away = False

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        if self.away:
            raise StateUnavailableError("no answer")
        await super().save(namespace, ledger, version)
