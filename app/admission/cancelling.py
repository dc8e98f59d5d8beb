"""Cancelling a reservation: the push that it was made for has failed."""

import asyncio
import random

from app.quota.state import StateUnavailableError
from app.quota.store import LedgerConflictError, LedgerStore

_ATTEMPTS = 8
_PAUSE = 0.015
"""Seconds; with each conflict the pause may be longer by as much."""


async def cancel(ledgers: LedgerStore, namespace: str, holder: str) -> bool:
    """Cancel the reservation of a holder. Returns False if it has none.

    Raises StateUnavailableError.
    """
    for attempt in range(_ATTEMPTS):
        ledger, version = await ledgers.load(namespace)
        if not ledger.cancel(holder):
            # Another replica may have reserved it a moment ago.
            ledger, version = await ledgers.refresh(namespace)
            if not ledger.cancel(holder):
                return False
        try:
            await ledgers.save(namespace, ledger, version)
        except LedgerConflictError:
            await asyncio.sleep(random.uniform(0, _PAUSE * attempt))
        else:
            return True
    raise StateUnavailableError(f"the ledger of namespace {namespace} is too busy")
