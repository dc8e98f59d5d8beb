"""The service in a cluster without the Image API."""

from pathlib import Path

import pytest

from .cluster import Cluster
from .observed import becomes
from .replicas import Replicas

pytestmark = pytest.mark.e2e

DOMAIN = "openshift.io"


async def test_missing_image_api_is_reported_until_installed(
    cluster: Cluster, tmp_path: Path
) -> None:
    replicas = Replicas(cluster, tmp_path, 1, domain=DOMAIN)
    [replica] = replicas.running
    try:
        missing = "image.openshift.io: the API is not installed"
        await becomes("a reason", lambda: missing in str(replica.reasons()), True)
        cluster.install_crds(DOMAIN)
        replica.wait_until_ready()
        assert replica.process.poll() is None
    finally:
        replicas.stop()
        cluster.remove_crds(DOMAIN)
