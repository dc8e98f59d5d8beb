"""Claims, Secrets and CAs to which the storage of Config/cluster refers, on a real API server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.certs.authority import make_authority
from app.model.credentials import SECRET
from tests import page

from .cluster import Cluster
from .domain import DOMAIN, REGISTRY
from .observed import becomes
from .pull_secrets import may
from .replicas import Replicas
from .storage import (
    CONFIG,
    IN_REGISTRY,
    Answering,
    claim,
    created,
    created_by,
    released,
    s3,
    tried,
)

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("no_storage_left")]

DAY = timedelta(days=1)


def pvc(name: str, **spec: Any) -> dict[str, Any]:
    return {"storage": {"pvc": {"claim": name}}, **spec}


def test_claim_of_the_config_is_checked(cluster: Cluster, warns: Replicas) -> None:
    claim(cluster, "single")
    claim(cluster, "shared", "ReadWriteMany")
    claim(cluster, "classless", storageClassName="no-such-class")

    for spec, warning in (
        (pvc("single"), ""),
        (pvc("shared", replicas=2), ""),
        (pvc("missing"), f'"missing" does not exist in namespace {REGISTRY}'),
        (pvc("classless"), 'is Pending: StorageClass "no-such-class" does not exist'),
        (pvc("single", replicas=2), "spec.replicas is 2, and PersistentVolumeClaim"),
        (pvc("single", rolloutStrategy="RollingUpdate"), "spec.rolloutStrategy is RollingUpdate"),
    ):
        code, warnings = tried(cluster, spec)
        assert code == 0, warnings
        assert len(warnings) == bool(warning), warnings
        assert warning in "".join(warnings)


def test_claim_in_deletion_is_unusable(cluster: Cluster, warns: Replicas) -> None:
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    created(cluster, "PersistentVolumeClaim", "leaving", spec=request)
    cluster.kubectl("delete", "pvc", "leaving", IN_REGISTRY, "--wait=false")

    code, [warning] = tried(cluster, pvc("leaving"))
    released(cluster, "leaving")

    assert code == 0
    assert 'PersistentVolumeClaim "leaving" is being deleted' in warning


def test_class_waiting_for_pods_leaves_claims_pending(cluster: Cluster, warns: Replicas) -> None:
    lazy = {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "lazy"},
        "provisioner": "driver.example.com", "volumeBindingMode": "WaitForFirstConsumer",
    }  # fmt: skip
    cluster.kubectl("create", "--filename=-", input=json.dumps(lazy))
    claim(cluster, "lazy", storageClassName="lazy")

    answer = tried(cluster, pvc("lazy"))
    cluster.kubectl("delete", "storageclass", "lazy")

    assert answer == (0, [])


def bundle(start: timedelta, end: timedelta) -> str:
    return make_authority(datetime.now(UTC) + start, end - start).certificate.decode()


def test_trusted_ca_is_checked(cluster: Cluster, warns: Replicas) -> None:
    cluster.kubectl(*created_by(page.commands("create secret")[0]))
    for name, data in (
        ("good", {"ca-bundle.crt": bundle(-DAY, 100 * DAY)}),
        ("expired", {"ca-bundle.crt": bundle(-3 * DAY, -DAY)}),
        ("ending", {"ca-bundle.crt": bundle(-DAY, 5 * DAY)}),
        ("broken", {"ca-bundle.crt": "none"}),
        ("elsewhere", {"ca.crt": bundle(-DAY, 100 * DAY)}),
    ):
        created(cluster, "ConfigMap", name, data=data)

    for name, warning in (
        ("good", ""),
        ("missing", f'ConfigMap "missing" does not exist in namespace {REGISTRY}'),
        ("expired", "expired on "),
        ("ending", "expires on "),
        ("broken", "holds no PEM certificate"),
        ("elsewhere", 'has "ca.crt", not ca-bundle.crt'),
    ):
        code, warnings = tried(cluster, s3(name=name))
        assert code == 0, warnings
        assert len(warnings) == bool(warning), warnings
        assert warning in "".join(warnings)


async def test_missing_read_right_refuses_nothing(cluster: Cluster, warns: Replicas) -> None:
    role = ("rolebinding", "registry-admission-references", IN_REGISTRY)
    kept = cluster.kubectl("get", *role, "--output=json").stdout
    cluster.kubectl("delete", *role)
    right = partial(may, cluster, "get", "persistentvolumeclaims/missing", IN_REGISTRY)
    try:
        await becomes("the right", right, False)
        answer = tried(cluster, pvc("missing"))
    finally:
        binding = json.loads(kept)
        for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            binding["metadata"].pop(field, None)
        cluster.kubectl("create", "--filename=-", input=json.dumps(binding))

    assert answer == (
        0,
        ['Warning: spec.storage.pvc.claim: PersistentVolumeClaim "missing" could not be checked: '
         "registry-admission may not read it"],
    )  # fmt: skip


@pytest.fixture
def refuses(cluster: Cluster, warns: Replicas, tmp_path: Path) -> Iterator[Replicas]:
    """A service that refuses, in place of the one that warns."""
    with Answering(cluster, tmp_path, 1, "--reference-checks", "deny") as running:
        yield running
    warns.register()


def test_strict_checks_refuse(cluster: Cluster, refuses: Replicas) -> None:
    claim(cluster, "single")
    created(cluster, "ConfigMap", "expired", data={"ca-bundle.crt": bundle(-3 * DAY, -DAY)})

    for spec, problems in (
        (pvc("missing"), [f"does not exist in namespace {REGISTRY}; create it"]),
        (pvc("single", replicas=2), ["spec.replicas is 2, and PersistentVolumeClaim"]),
        (s3(name="expired"), [f"create secret generic {SECRET}", "expired on "]),
    ):
        code, lines = tried(cluster, spec)
        assert code == 1
        assert "Config cluster: " in "\n".join(lines)
        for problem in problems:
            assert problem in "\n".join(lines)

    assert tried(cluster, pvc("single")) == (0, [])


def test_strict_checks_let_an_update_pass_that_changes_something_else(
    cluster: Cluster, refuses: Replicas
) -> None:
    claim(cluster, "single")
    content = {
        "apiVersion": CONFIG, "kind": "Config", "metadata": {"name": "cluster"},
        "spec": pvc("single"),
    }  # fmt: skip
    config = (f"configs.imageregistry.operator.{DOMAIN}", "cluster")
    cluster.kubectl("create", "--filename=-", input=json.dumps(content))
    cluster.kubectl("delete", "pvc", "single", IN_REGISTRY)

    def patched(spec: dict[str, Any]) -> str:
        patch = json.dumps({"spec": spec})
        return cluster.kubectl(
            "patch", *config, "--type=merge", f"--patch={patch}", check=False
        ).stderr

    try:
        assert patched({"logLevel": "Debug"}).startswith("Warning: spec.storage.pvc.claim")
        assert "Error from server (Forbidden)" in patched({"replicas": 2})
        assert patched({"managementState": "Removed"}) == ""
    finally:
        cluster.kubectl("delete", *config)
