"""`doctor` on a real cluster: limits, S3 storage, the Image API, and legacy ConfigMaps."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.certs import authority
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, S3_KEYS, S3_SECRET, Manifest

from . import broken
from .broken import existing, settled
from .cluster import Cluster
from .domain import DOMAIN

pytestmark = pytest.mark.e2e

DIGEST = "sha256:" + "1" * 64
DAY = "2025-06-01T00:00:00Z"


def expired() -> str:
    long_ago = datetime.now(UTC) - timedelta(days=30)
    return authority.make_authority(long_ago, timedelta(days=29)).certificate.decode()


ON_S3 = objects.on_s3(
    regionEndpoint="http://minio.storage.svc:9000", trustedCA={"name": "private-ca"}
)
HALF = objects.secret(S3_SECRET, REGISTRY, **dict(list(S3_KEYS.items())[:1]))
CASES: dict[str, tuple[list[Manifest], set[str]]] = {
    "s3 without anything that it needs": (
        [ON_S3],
        {"CredentialsMissing", "TrustedCAMissing", "RedirectUnreachable"},
    ),
    "s3 with half the credentials and an expired CA": (
        [ON_S3, HALF, objects.config_map("private-ca", REGISTRY, **{"ca-bundle.crt": expired()})],
        {"CredentialsIncomplete", "TrustedCAExpired", "RedirectUnreachable"},
    ),
    "a stream and a namespace over their limits": (
        [
            objects.stream("app", {f"v{number}": DIGEST for number in range(3)}, DAY),
            objects.limit_range(f"{DOMAIN}/ImageStream", image_tags="2"),
            objects.quota({f"{DOMAIN}/image-tags": "3"}, image_tags="1"),
        ],
        {"LimitRangeExceeded", "QuotaExceeded"},
    ),
    "a quota whose status nobody keeps": (
        [
            objects.stream("app", {"v1": DIGEST}, DAY),
            objects.quota({f"{DOMAIN}/image-tags": "9"}, image_tags="10"),
        ],
        {"QuotaStatusStale"},
    ),
    "limits of the legacy gateway": (
        [objects.config_map("image-registry-limit-config", "cpaas-system", max_image_size="1GB")],
        {"LegacyLimits"},
    ),
    "a registry without replicas": (
        [objects.deployment("image-registry", REGISTRY, ready=0)],
        {"ReplicasNotReady"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_faults_of_limits_are_named(doctor_cluster: Cluster, viewer: Path, name: str) -> None:
    parts, reasons = CASES[name]
    with existing(doctor_cluster, *parts):
        found = settled(viewer, min(reasons))
    assert found.reasons == {*reasons, "NotInstalled"}
    assert found.not_checked == {"image data"}
    for value in S3_KEYS.values():
        assert value.decode() not in str(found.content)


def test_unavailable_image_api_is_named(doctor_cluster: Cluster) -> None:
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.image.openshift.io"},
        "spec": {
            "group": "image.openshift.io",
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "insecureSkipTLSVerify": True,
            "service": {"name": "api", "namespace": REGISTRY},
        },
    }
    flags = ("--kubeconfig", doctor_cluster.kubeconfig, "--api-domain", "openshift.io")
    before = broken.doctor(*flags)
    with existing(doctor_cluster, service):
        unavailable = "--for=condition=Available=False"
        doctor_cluster.kubectl(
            "wait", unavailable, "--timeout=120s", "apiservice/v1.image.openshift.io"
        )
        found = broken.doctor(*flags)

    assert "ImageAPINotInstalled" in before.errors
    assert "counts against limits" in before.not_checked
    assert "ServiceNotFound" in str(found.one("ImageAPIUnavailable")["evidence"])
