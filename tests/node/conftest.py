"""One node for all of these tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.node import Node

LOGS = Path(__file__).parents[2] / "build" / "node"


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
