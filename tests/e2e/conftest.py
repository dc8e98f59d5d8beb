"""One control plane for all end-to-end tests: starting it takes longer than most of them."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.model.credentials import SECRET

from . import broken
from .cluster import Cluster, build_tools
from .image_api import ImageApi
from .overlays import remove_webhooks
from .replicas import Replicas
from .storage import IN_REGISTRY, Answering
from .tags import Tags

_SERIAL = itertools.count()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster with its controllers, and the registry's APIs and namespaces."""
    with Cluster(build_tools(), tmp_path_factory.mktemp("cluster")) as running:
        running.start_controller_manager()
        running.install_crds()
        for namespace in ("image-registry-system", "openshift-image-registry", "openshift-config"):
            running.kubectl("create", "namespace", namespace)
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that no other test uses."""
    name = f"test-{next(_SERIAL)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """One replica. Modules that need others have a fixture of their own."""
    with Replicas(cluster, tmp_path_factory.mktemp("replicas"), 1) as running:
        yield running


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[ImageApi]:
    running = ImageApi(cluster)
    await running.start()
    yield running
    await running.stop()
    assert running.failures == []


@pytest.fixture
def tags(api: ImageApi, replicas: Replicas) -> Tags:
    return Tags(api, replicas.running[0])


@pytest.fixture
def no_webhooks_left(cluster: Cluster) -> Iterator[None]:
    """Removes the service's webhooks after a test that installs them."""
    yield
    remove_webhooks(cluster)


@pytest.fixture(scope="module")
def warns(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """A service with the default `reference-checks`: it warns about Config/cluster."""
    with Answering(cluster, tmp_path_factory.mktemp("warns")) as running:
        yield running


@pytest.fixture
def no_storage_left(cluster: Cluster) -> Iterator[None]:
    """Removes the objects to which the registry's storage refers after a test that creates them."""
    yield
    for resource in ("secrets", "configmaps", "persistentvolumeclaims"):
        cluster.kubectl(
            "delete", resource, IN_REGISTRY, "--selector=of=test", "--wait=false",
            "--ignore-not-found",
        )  # fmt: skip
    cluster.kubectl("delete", "secret", SECRET, IN_REGISTRY, "--ignore-not-found")


@pytest.fixture(scope="session")
def doctor_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for `doctor` alone: it would also find the leftovers of other tests."""
    with broken.registry_cluster(tmp_path_factory.mktemp("doctor")) as running:
        yield running


@pytest.fixture(scope="session")
def viewer(doctor_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of an account that may read `doctor_cluster` and not write."""
    return broken.viewer(doctor_cluster, tmp_path_factory.mktemp("viewer"))
