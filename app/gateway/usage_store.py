"""The gateway's own usage store, for a registry without ImageStreams."""

from dataclasses import dataclass

from app.gateway.inventory import Inventory
from app.gateway.reader import Reader


@dataclass(frozen=True)
class UsageStore:
    inventory: Inventory
    """Counts what the registry holds."""
    reader: Reader
    """Reads the repositories that the inventory does not know yet."""
