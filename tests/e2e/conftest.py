"""One control plane for all end-to-end tests: starting it takes longer than most of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import broken
from .cluster import Cluster, build_tools
from .overlays import remove_webhooks


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster with its controllers, and the registry's APIs and namespaces."""
    with Cluster(build_tools(), tmp_path_factory.mktemp("cluster")) as running:
        running.start_controller_manager()
        running.install_crds()
        for namespace in ("image-registry-system", "openshift-image-registry"):
            running.kubectl("create", "namespace", namespace)
        yield running


@pytest.fixture
def no_webhooks_left(cluster: Cluster) -> Iterator[None]:
    """For tests that install the service's webhooks."""
    yield
    remove_webhooks(cluster)


@pytest.fixture(scope="session")
def doctor_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for `doctor` alone: what other tests leave behind would be found, too."""
    with broken.registry_cluster(tmp_path_factory.mktemp("doctor")) as running:
        yield running


@pytest.fixture(scope="session")
def viewer(doctor_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its kubeconfig for an account that may change nothing."""
    return broken.viewer(doctor_cluster, tmp_path_factory.mktemp("viewer"))
