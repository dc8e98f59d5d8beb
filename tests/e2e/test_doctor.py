"""`doctor` names the broken objects of a real cluster, with an account that may only read.

Each case is a line of the page's "Common actions". Kubernetes' own binder binds PVCs and PVs. The
test writes the status that a kubelet or an attacher would write, because there is no node.
"""

import os
import subprocess
from pathlib import Path

import pytest

from app.doctor.diagnosing import dump_commands
from app.model.domain import ApiDomain
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, Manifest

from . import broken
from .broken import existing, settled, wait_until_bound
from .cluster import Cluster, build_tools

pytestmark = pytest.mark.e2e

DIGEST = "sha256:" + "1" * 64
BEFORE, AFTER = "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z"


PENDING: dict[str, tuple[list[Manifest], str, str]] = {
    "StorageClassMissing": (
        [objects.claim(storageClassName="fast")],
        "StorageClass fast does not exist",
        'ProvisioningFailed: storageclass.storage.k8s.io "fast" not found',
    ),
    "NoDefaultStorageClass": (
        [objects.claim()],
        "no default",
        "FailedBinding: no persistent volumes available",
    ),
    "AccessModeUnsupported": (
        [
            objects.storage_class("block", "ebs.csi.aws.com"),
            objects.claim("ReadWriteMany", storageClassName="block"),
        ],
        "cannot provide ReadWriteMany",
        "ExternalProvisioning",
    ),
    "WaitsForPod": (
        [
            objects.storage_class("late", "ebs.csi.aws.com", "WaitForFirstConsumer"),
            objects.claim(storageClassName="late"),
        ],
        "until a Pod uses it",
        "WaitForFirstConsumer",
    ),
    "NoVolumeFits": (
        [
            objects.storage_class("static", "kubernetes.io/no-provisioner"),
            objects.volume("small", "static", capacity={"storage": "5Gi"}),
            objects.claim("ReadWriteMany", storageClassName="static"),
        ],
        "no PV fits",
        "PersistentVolume small: access mode ReadWriteOnce, not ReadWriteMany; "
        "capacity 5Gi, less than 10Gi",
    ),
    "ClaimPending": (
        [
            objects.storage_class("shared", "nfs.example.com"),
            objects.claim(storageClassName="shared"),
        ],
        "it is Pending",
        "ExternalProvisioning",
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", PENDING)
def test_a_pending_pvc_is_explained(doctor_cluster: Cluster, viewer: Path, reason: str) -> None:
    parts, problem, evidence = PENDING[reason]
    with existing(doctor_cluster, objects.on_claim(), *parts):
        found = settled(viewer, reason, evidence)

    finding = found.one(reason)
    assert found.code == 1
    assert finding["severity"] == "error"
    assert finding["object"] == f"PersistentVolumeClaim {REGISTRY}/image-registry"
    assert problem in finding["problem"]
    assert any(evidence in line for line in finding["evidence"]), finding
    assert f"kubectl -n {REGISTRY} describe pvc image-registry" in finding["next"]
    assert finding["reminder"].startswith("Do not delete PVCs")


def test_quota_that_blocks_the_pvc_is_named(doctor_cluster: Cluster, viewer: Path) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-storage", "namespace": REGISTRY},
        "spec": {"hard": {"persistentvolumeclaims": "0", "requests.storage": "1Gi"}},
    }
    with existing(doctor_cluster, objects.on_claim(), quota):
        counted = "--for=jsonpath={.status.used.persistentvolumeclaims}=0"
        doctor_cluster.kubectl(
            "wait", counted, "--timeout=120s", "quota/no-storage", f"-n{REGISTRY}"
        )
        with pytest.raises(RuntimeError, match="exceeded quota: no-storage"):
            broken.create(doctor_cluster, objects.claim(storageClassName=""))
        found = broken.doctor("--kubeconfig", viewer)

    evidence = found.one("ClaimMissing")["evidence"]
    assert "ResourceQuota no-storage: persistentvolumeclaims, 0 of 0" in evidence
    assert found.one("StorageQuotaExhausted")["object"] == f"ResourceQuota {REGISTRY}/no-storage"


def test_retained_volume_is_reported(doctor_cluster: Cluster, viewer: Path) -> None:
    kept, gone = objects.volume("kept"), objects.claim(storageClassName="")
    with existing(doctor_cluster, objects.on_claim(), kept, gone):
        wait_until_bound(doctor_cluster)
        assert broken.doctor("--kubeconfig", viewer).errors == set()
        broken.remove(doctor_cluster, gone)
        found = settled(viewer, "VolumeReleased")

    assert found.one("VolumeReleased")["object"] == "PersistentVolume kept"
    assert found.errors == {"ClaimMissing"}


def test_a_volume_that_cannot_be_reclaimed_is_named(doctor_cluster: Cluster, viewer: Path) -> None:
    failing = objects.volume("failing", persistentVolumeReclaimPolicy="Delete")
    bound = objects.claim(storageClassName="")
    with existing(doctor_cluster, objects.on_claim(), failing, bound):
        wait_until_bound(doctor_cluster)
        found = broken.doctor("--kubeconfig", viewer)
        assert found.reasons == {"VolumeGoesWithClaim", "NotInstalled"}
        broken.remove(doctor_cluster, bound)
        found = settled(viewer, "VolumeFailed")

    assert "deleter" in str(found.one("VolumeFailed")["evidence"])


def test_a_pvc_whose_volume_is_gone_is_lost(doctor_cluster: Cluster, viewer: Path) -> None:
    short, lost = objects.volume("short-lived"), objects.claim(storageClassName="")
    with existing(doctor_cluster, objects.on_claim(), short, lost):
        wait_until_bound(doctor_cluster)
        doctor_cluster.kubectl("delete", "pv", "short-lived", "--wait=false")
        doctor_cluster.kubectl(
            "patch", "pv", "short-lived", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
        )
        found = settled(viewer, "ClaimLost")

    assert "short-lived, which does not exist" in found.one("ClaimLost")["problem"]


MULTI_ATTACH = 'Multi-Attach error for volume "kept" Volume is already used by pod(s) old'
MOUNTS: dict[str, tuple[str, str]] = {
    "VolumeInUseElsewhere": ("FailedAttachVolume", MULTI_ATTACH),
    "AttachFailed": ("FailedAttachVolume", "AttachVolume.Attach failed: volume not found"),
    "MountFailed": ("FailedMount", "MountVolume.SetUp failed: mount.nfs: Connection timed out"),
}


@pytest.mark.parametrize("reason", MOUNTS)
def test_a_pod_that_cannot_mount_its_storage_is_named(
    doctor_cluster: Cluster, viewer: Path, reason: str
) -> None:
    waiting = objects.pod("new", "node-2")
    attachment = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "csi-kept"},
        "spec": {
            "attacher": "csi.example.com",
            "nodeName": "node-1",
            "source": {"persistentVolumeName": "kept"},
        },
        "status": {"attached": True, "detachError": {"message": "node-1 does not answer"}},
    }
    with existing(
        doctor_cluster,
        objects.on_claim(),
        objects.volume("kept"),
        objects.claim(storageClassName=""),
        objects.pod("old", "node-1", AFTER),
        waiting,
        objects.event(waiting, *MOUNTS[reason]),
        attachment,
    ):
        wait_until_bound(doctor_cluster)
        found = broken.doctor("--kubeconfig", viewer)

    finding = found.one(reason)
    assert finding["object"] == f"Pod {REGISTRY}/new"
    assert f"event {MOUNTS[reason][0]}: {MOUNTS[reason][1]}" in finding["evidence"]
    assert "Pod old on node node-1 uses PVC image-registry" in finding["evidence"]
    assert "PersistentVolume kept is attached to node node-1" in finding["evidence"]
    assert found.one("AttachmentFailed")["evidence"] == ["detach: node-1 does not answer"]
    assert found.errors == {reason, "AttachmentFailed", "VolumeOnSeveralNodes"}


def test_an_empty_dir_that_was_lost_with_its_pod_is_named(
    doctor_cluster: Cluster, viewer: Path
) -> None:
    streams = [
        objects.stream("old", {"v1": DIGEST}, BEFORE),
        objects.stream("new", {"v1": DIGEST}, "2025-06-03T00:00:00Z"),
        objects.stream("imported", {"v1": DIGEST}, BEFORE, host="quay.io"),
    ]
    storage = objects.config(storage={"emptyDir": {}})
    with existing(doctor_cluster, storage, *streams):
        found = broken.doctor("--kubeconfig", viewer)
        assert found.one("EmptyDirHoldsImages")["severity"] == "warning"
        assert (found.code, found.errors) == (0, set())
        with existing(doctor_cluster, objects.pod("registry", "node-1", AFTER, claim="")):
            found = broken.doctor("--kubeconfig", viewer)

    assert "1 of 2 tags were pushed before" in found.one("EmptyDirLostImages")["problem"]
    assert (found.code, found.errors) == (1, {"EmptyDirLostImages"})


def test_storage_that_was_changed_under_images_is_named(
    doctor_cluster: Cluster, viewer: Path
) -> None:
    changed = objects.config(
        status={"storage": {"pvc": {"claim": "former"}}},
        storage={"pvc": {"claim": "image-registry"}},
    )
    with existing(
        doctor_cluster,
        changed,
        objects.volume("kept"),
        objects.claim(storageClassName=""),
        objects.stream("old", {"v1": DIGEST}, BEFORE),
    ):
        found = settled(viewer, "StorageChanged")

    [evidence] = found.one("StorageChanged")["evidence"]
    assert 'spec.storage.pvc changes its claim from "former" to "image-registry"' in evidence
    assert "1 of 1 tags" in found.one("ImagesOlderThanVolume")["problem"]


def test_dump_of_a_broken_cluster_has_the_same_findings(
    doctor_cluster: Cluster, viewer: Path, tmp_path: Path
) -> None:
    parts = PENDING["NoVolumeFits"][0]
    streams = [objects.stream("old", {"v1": DIGEST}, BEFORE)]
    dump = tmp_path / "dump"
    with existing(doctor_cluster, objects.on_claim(), *parts, *streams):
        # With its event, which the volume controller writes a moment later.
        settled(viewer, "NoVolumeFits", "event ")
        commands = "\n".join(dump_commands(ApiDomain(), str(dump)))
        path = f"{build_tools()}:{os.environ['PATH']}"
        environment = {
            "PATH": path,
            "HOME": str(tmp_path),
            "KUBECONFIG": str(doctor_cluster.kubeconfig),
        }
        subprocess.run(["sh", "-ec", commands], env=environment, check=True, timeout=120)
        there = broken.doctor("--kubeconfig", viewer)

    here = broken.doctor("--state", dump)

    assert here.content["findings"] == there.content["findings"]
    assert there.not_checked == {"image data"}
    assert here.not_checked == {"image data"}
