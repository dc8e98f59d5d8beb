"""Waits until this replica has seen what a ledger rests on."""

import asyncio

from app.quota.ledger import Ledger
from app.quota.state import ClusterState, require_available
from app.quota.store import LedgerStore
from app.quota.view import Timing

_LOOK = 0.005
"""Seconds between two checks that this replica's view has reached the ledger's floor."""


def covers(state: ClusterState, ledger: Ledger, timing: Timing) -> bool:
    """Whether the view covers a ledger's floor. Raises StateUnavailableError."""
    require_available(state)
    return ledger.covered_by(state.view(), timing)


async def covered_ledger(
    ledgers: LedgerStore, namespace: str, state: ClusterState, timing: Timing
) -> tuple[Ledger, str]:
    """Load a ledger, and wait until this replica's view covers its floor.

    Raises StateUnavailableError.
    """
    while True:
        ledger, version = await ledgers.load(namespace)
        if covers(state, ledger, timing):
            return ledger, version
        await asyncio.sleep(_LOOK)
