"""`doctor` on a real cluster with this service installed, in a good state and with faults."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.certs import authority
from app.cluster.connection import connected
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, SERVICE, Manifest

from . import broken
from .cluster import Cluster
from .domain import DOMAIN
from .overlays import apply, certify, overlay, remove_webhooks

pytestmark = pytest.mark.e2e

DIGEST = "sha256:" + "1" * 64
DAY, LATER = "2025-06-01T00:00:00Z", "2099-01-01T00:00:00Z"
VALIDATING = "validatingwebhookconfigurations"


@pytest.fixture(scope="module", autouse=True)
def installation(
    doctor_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A registry with an image on a bound volume, limits, and the service with its certificate.

    No node runs the Pods, so the test writes the status that kubelets and controllers would write.
    The webhooks are created last, because no service answers them.
    """
    parts: list[Manifest] = [
        objects.on_claim(),
        objects.volume("kept"),
        objects.claim(storageClassName=""),
        objects.pod("registry", "node-1", DAY),
        objects.deployment("image-registry", REGISTRY),
        objects.stream("app", {"v1": DIGEST}, LATER),
        objects.limit_range(f"{DOMAIN}/ImageStream", image_tags="2"),
        objects.quota({f"{DOMAIN}/image-tags": "1"}, image_tags="2"),
        objects.endpoints(),
    ]
    broken.create(doctor_cluster, *parts)
    broken.wait_until_bound(doctor_cluster)
    service = overlay(doctor_cluster, "self-signed")
    apply(doctor_cluster, service)
    ready(doctor_cluster, 3)
    asyncio.run(start(doctor_cluster, tmp_path_factory.mktemp("certificates")))
    yield
    remove_webhooks(doctor_cluster)
    # The account of `doctor` is in the namespace of the service.
    broken.remove(doctor_cluster, *(one for one in service if one["kind"] != "Namespace"))
    doctor_cluster.kubectl("delete", "secrets", "--all", f"-n{SERVICE}")
    broken.remove(doctor_cluster, *parts)


def ready(cluster: Cluster, replicas: int) -> None:
    status = json.dumps({"status": {"replicas": 3, "readyReplicas": replicas}})
    cluster.kubectl(
        "patch", "deployment", SERVICE, f"-n{SERVICE}", "--subresource=status",
        "--type=merge", "-p", status,
    )  # fmt: skip


async def start(cluster: Cluster, folder: Path) -> None:
    async with connected(cluster.kubeconfig, None) as api:
        await certify(api, folder)


def patch(cluster: Cluster, path: str, value: object) -> None:
    change = json.dumps([{"op": "replace", "path": path, "value": value}])
    cluster.kubectl("patch", VALIDATING, SERVICE, "--type=json", "-p", change)


def test_healthy_registry_has_no_findings(viewer: Path) -> None:
    found = broken.doctor("--kubeconfig", viewer)
    assert found.content["findings"] == []
    assert found.not_checked == {"image data"}
    assert found.code == 0


def test_a_webhook_that_was_changed_is_named(doctor_cluster: Cluster, viewer: Path) -> None:
    patch(doctor_cluster, "/webhooks/0/failurePolicy", "Ignore")
    try:
        found = broken.doctor("--kubeconfig", viewer)
    finally:
        patch(doctor_cluster, "/webhooks/0/failurePolicy", "Fail")
    assert found.one("WebhooksOutdated")["evidence"] == [
        'failurePolicy: "Ignore", and install prints "Fail"'
    ]


@pytest.mark.parametrize("reason", ["CABundleEmpty", "CABundleMismatch"])
def test_untrusted_service_is_named(doctor_cluster: Cluster, viewer: Path, reason: str) -> None:
    path = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    bundle = doctor_cluster.kubectl("get", VALIDATING, SERVICE, "-o", path).stdout
    others = objects.secret("ca", SERVICE, ca=authority_of_others())["data"]["ca"]
    field = "/webhooks/0/clientConfig/caBundle"
    patch(doctor_cluster, field, "" if reason == "CABundleEmpty" else others)
    try:
        found = broken.doctor("--kubeconfig", viewer)
    finally:
        patch(doctor_cluster, field, bundle)
    assert found.errors == {reason}
    assert found.one(reason)["object"] == f"ValidatingWebhookConfiguration {SERVICE}"


def authority_of_others() -> bytes:
    return authority.make_authority(datetime.now(UTC)).certificate


def test_service_without_endpoints_is_named(doctor_cluster: Cluster, viewer: Path) -> None:
    ready(doctor_cluster, 0)
    broken.create(doctor_cluster, objects.endpoints(ready=False))
    try:
        found = broken.doctor("--kubeconfig", viewer)
    finally:
        ready(doctor_cluster, 3)
        broken.create(doctor_cluster, objects.endpoints())
    assert found.errors == {"NoEndpoints", "ReplicasNotReady"}


def test_doctor_account_can_only_read(doctor_cluster: Cluster) -> None:
    account = f"--as=system:serviceaccount:{SERVICE}:registry-admission-doctor"
    rights = doctor_cluster.kubectl("auth", "can-i", "--list", f"-n{REGISTRY}", account).stdout
    verbs = {
        verb
        for line in rights.splitlines()[1:]
        # Anybody may ask who they are and what they may do.
        if "selfsubject" not in line
        for verb in line[line.rindex("[") + 1 : line.rindex("]")].split()
    }
    assert verbs <= {"get", "list"}
    secrets = doctor_cluster.kubectl("auth", "can-i", "list", "secrets", account, check=False)
    assert secrets.stdout.strip() == "no"
