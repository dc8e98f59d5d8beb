"""Recalls the escrows of other replicas: a refusal must not rest on them."""

import asyncio

from app.admission.waiting import Waiting, fail
from app.quota.state import StateUnavailableError
from app.quota.store import LedgerStore

_LATE = 2.0
"""Seconds that a request waits for the escrows of other replicas."""
_ASK_AGAIN = 0.2
"""Seconds between two recalls if the ledger does not change."""
_LOOK = 0.005
"""Seconds between two looks at the ledger."""


async def recall(ledgers: LedgerStore, namespace: str, blocked: list[Waiting]) -> None:
    """Recall escrows for the requests that they block, and wait until the ledger changes.

    A request that has waited too long is answered with StateUnavailableError.
    """
    now = asyncio.get_running_loop().time()
    for waiting in blocked:
        waiting.recalled_at = waiting.recalled_at or now
    late = StateUnavailableError(
        f"other replicas hold places of namespace {namespace} and do not give them back; "
        "those of a replica that has crashed are free again in a few minutes"
    )
    fail([one for one in blocked if now - (one.recalled_at or now) > _LATE], late)
    try:
        await ledgers.recall(namespace)
        _, asked = await ledgers.load(namespace)
        while asyncio.get_running_loop().time() < now + _ASK_AGAIN:
            await asyncio.sleep(_LOOK)
            _, version = await ledgers.load(namespace)
            if version != asked:
                break
    except StateUnavailableError as error:
        fail(blocked, error)
