"""One node for all of these tests, and fixtures that several of them use."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node import installation
from tests.node.load import limited
from tests.node.node import Node

LOGS = Path(__file__).parents[2] / "build" / "node"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share one installation come first."""
    items.sort(key=lambda item: "service" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A cluster with a node and the registry's APIs and namespaces; its logs stay in build/node."""
    directory = Path(os.environ["NODE_DIR"]) / "cluster"
    directory.mkdir()
    try:
        running = Node(directory)
        with running:
            running.install_crds()
            running.kubectl("create", "namespace", "image-registry-system")
            yield running
    finally:
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        for log in directory.glob("*.log"):
            shutil.copy(log, LOGS)


@pytest.fixture
def service(node: Node) -> Node:
    """A node on which `install` has been run, for this test or for one before."""
    installation.present(node)
    return node


@pytest.fixture
def empty(node: Node) -> Node:
    """A node without the service. Leftovers of the previous test are removed."""
    installation.uninstalled(node)
    return node


@pytest.fixture
def team(node: Node) -> Iterator[str]:
    """A namespace with limits that have room for a load of creates."""
    with limited(node) as namespace:
        yield namespace
