"""One control plane for all end-to-end tests: starting it takes longer than most of them."""

from collections.abc import Iterator

import pytest

from .cluster import Cluster, build_tools


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster with its controllers and the registry's APIs."""
    running = Cluster(build_tools(), tmp_path_factory.mktemp("cluster"))
    running.start()
    try:
        running.start_controller_manager()
        running.install_crds()
        yield running
    finally:
        running.stop()
