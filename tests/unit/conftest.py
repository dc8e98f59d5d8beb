"""The database and the inventory of a gateway, which several test modules fill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.gateway.database import Database
from app.gateway.inventory import Inventory
from tests.unit.inventories import ORIGIN, FakeRegistry, inventory_of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database in `gateway.db`. A test may open it again with the same ORIGIN."""
    opened = Database(tmp_path / "gateway.db", ORIGIN)
    yield opened
    opened.close()


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def inventory(database: Database, registry: FakeRegistry) -> Inventory:
    return inventory_of(database, registry)
