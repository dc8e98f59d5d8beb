"""What the page says of storage, on a real API server: credentials, claims, CAs, pruning."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.certs.authority import make_authority
from app.kustomization import Manifest
from app.model.credentials import SECRET
from tests import page

from .cluster import Cluster
from .observed import becomes, quota
from .replicas import Replicas

pytestmark = pytest.mark.e2e

REGISTRY = "image-registry-system"
IN_REGISTRY = f"--namespace={REGISTRY}"
CONFIG = "imageregistry.operator.alauda.io/v1"
ACCESS, CONFIDENTIAL = "AKIAunguessable", "Xq7unguessable"
DAY = timedelta(days=1)


class Answering(Replicas):
    """Replicas whose answer must not be missing, or it would pass for a good one."""

    def _configuration(self, manifest: Manifest) -> Manifest:
        found = super()._configuration(manifest)
        for webhook in found["webhooks"]:
            webhook["failurePolicy"] = "Fail"
        return found


@pytest.fixture(scope="module")
def warns(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Answering(cluster, tmp_path_factory.mktemp("warns")) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left(cluster: Cluster) -> Iterator[None]:
    yield
    for resource in ("secrets", "configmaps", "persistentvolumeclaims"):
        cluster.kubectl(
            "delete", resource, IN_REGISTRY, "--selector=of=test", "--wait=false",
            "--ignore-not-found",
        )  # fmt: skip
    cluster.kubectl("delete", "secret", SECRET, IN_REGISTRY, "--ignore-not-found")


def created_by(command: str) -> list[str]:
    """The arguments of a command for kubectl, with keys in place of its placeholders."""
    filled = command.replace("<access-key-id>", ACCESS)
    program, *arguments = shlex.split(filled.replace("<secret-access-key>", CONFIDENTIAL))
    assert program == "kubectl"
    return arguments


def created(cluster: Cluster, kind: str, name: str, **content: Any) -> None:
    manifest = {
        "apiVersion": "v1", "kind": kind, **content,
        "metadata": {"name": name, "namespace": REGISTRY, "labels": {"of": "test"}},
    }  # fmt: skip
    cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))


def claim(cluster: Cluster, name: str, mode: str = "ReadWriteOnce", **spec: Any) -> None:
    request = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    created(cluster, "PersistentVolumeClaim", name, spec=request)
    released(cluster, name)


def released(cluster: Cluster, name: str) -> None:
    """Nothing but a controller that is not here would let the claim go."""
    patch = '--patch={"metadata":{"finalizers":null}}'
    cluster.kubectl("patch", "pvc", name, IN_REGISTRY, "--type=merge", patch)


def tried(cluster: Cluster, spec: dict[str, Any], kind: str = "Config") -> tuple[int, list[str]]:
    """The exit code of kubectl when it creates an object, and the lines that it warns with."""
    content = {"apiVersion": CONFIG, "kind": kind, "metadata": {"name": "cluster"}, "spec": spec}
    result = cluster.kubectl(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(content), check=False
    )
    return result.returncode, result.stderr.splitlines()


def s3(**trust: str) -> dict[str, Any]:
    return {"storage": {"s3": {"bucket": "images", **({"trustedCA": trust} if trust else {})}}}


def pvc(name: str, **spec: Any) -> dict[str, Any]:
    return {"storage": {"pvc": {"claim": name}}, **spec}


def test_the_command_of_the_page_passes(cluster: Cluster, warns: Replicas) -> None:
    [command] = page.commands("create secret")

    answer = cluster.kubectl(*created_by(command))

    assert answer.stderr == ""
    assert answer.stdout == f"secret/{SECRET} created\n"


@pytest.mark.parametrize(
    ("literals", "problem"),
    [
        ({"S3_ACCESSKEY": ACCESS}, "REGISTRY_STORAGE_S3_SECRETKEY is not; set both: kubectl -n"),
        ({"S3_ACCESSKEY": ACCESS, "S3_SECRETKEY": ""}, "REGISTRY_STORAGE_S3_SECRETKEY is empty"),
        ({"S3_ACCESSKEY": f"{ACCESS}\n", "S3_SECRETKEY": CONFIDENTIAL},
         "REGISTRY_STORAGE_S3_ACCESSKEY ends with a line break"),
        ({"S3_ACCESSKEY": ACCESS, "S3_SECRETKEY": f" {CONFIDENTIAL}"},
         "REGISTRY_STORAGE_S3_SECRETKEY begins or ends with white space"),
        ({"S3_ACCESSKEYID": ACCESS, "S3_SECRETKEY": CONFIDENTIAL},
         "did you mean REGISTRY_STORAGE_S3_ACCESSKEY?"),
    ],
)  # fmt: skip
def test_broken_credentials_are_refused_and_never_told(
    cluster: Cluster, warns: Replicas, literals: dict[str, str], problem: str
) -> None:
    values = [f"--from-literal=REGISTRY_STORAGE_{key}={value}" for key, value in literals.items()]

    refused = cluster.kubectl(
        "create", "secret", "generic", SECRET, IN_REGISTRY, *values, check=False
    )

    assert refused.returncode == 1
    assert f"Secret {REGISTRY}/{SECRET}: " in refused.stderr
    assert problem in refused.stderr
    metrics = warns.running[0].metrics()
    assert 'kind="Secret"' in metrics
    for told in (refused.stderr, warns.running[0].log(), metrics):
        assert ACCESS not in told
        assert CONFIDENTIAL not in told


def test_stored_credentials_cannot_be_broken_but_can_be_labelled(
    cluster: Cluster, warns: Replicas
) -> None:
    [command] = page.commands("create secret")
    cluster.kubectl(*created_by(command))
    emptied = '{"data":{"REGISTRY_STORAGE_S3_SECRETKEY":null}}'

    labelled = cluster.kubectl("label", "secret", SECRET, IN_REGISTRY, "of=test")
    refused = cluster.kubectl(
        "patch", "secret", SECRET, IN_REGISTRY, f"--patch={emptied}", check=False
    )

    assert labelled.stderr == ""
    assert "REGISTRY_STORAGE_S3_SECRETKEY is not; set both" in refused.stderr


def test_s3_without_credentials_is_warned_about_with_the_command_that_helps(
    cluster: Cluster, warns: Replicas
) -> None:
    code, [what, how] = tried(cluster, s3())
    assert code == 0
    assert what == f"Warning: spec.storage.s3 needs Secret {SECRET}, which does not exist"

    cluster.kubectl(*created_by(how.removeprefix("Warning: create it: ")))

    assert tried(cluster, s3()) == (0, [])


def test_credentials_of_another_storage_are_completed_with_the_command_that_helps(
    cluster: Cluster, warns: Replicas
) -> None:
    created(cluster, "Secret", SECRET, stringData={"REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "any"})

    _, [what, how] = tried(cluster, s3())
    assert "with REGISTRY_STORAGE_S3_ACCESSKEY and REGISTRY_STORAGE_S3_SECRETKEY" in what
    cluster.kubectl(*created_by(how.removeprefix("Warning: add to it: ")))

    assert tried(cluster, s3()) == (0, [])


def test_a_claim_is_looked_at(cluster: Cluster, warns: Replicas) -> None:
    claim(cluster, "single")
    claim(cluster, "shared", "ReadWriteMany")
    claim(cluster, "classless", storageClassName="no-such-class")

    for spec, warning in (
        (pvc("single"), ""),
        (pvc("shared", replicas=2), ""),
        (pvc("missing"), '"missing" does not exist in namespace image-registry-system'),
        (pvc("classless"), 'is Pending: StorageClass "no-such-class" does not exist'),
        (pvc("single", replicas=2), "spec.replicas is 2, and PersistentVolumeClaim"),
        (pvc("single", rolloutStrategy="RollingUpdate"), "spec.rolloutStrategy is RollingUpdate"),
    ):
        code, warnings = tried(cluster, spec)
        assert code == 0, warnings
        assert len(warnings) == bool(warning), warnings
        assert warning in "".join(warnings)


def test_a_claim_that_is_being_deleted_is_of_no_use(cluster: Cluster, warns: Replicas) -> None:
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    created(cluster, "PersistentVolumeClaim", "leaving", spec=request)
    cluster.kubectl("delete", "pvc", "leaving", IN_REGISTRY, "--wait=false")

    code, [warning] = tried(cluster, pvc("leaving"))
    released(cluster, "leaving")

    assert code == 0
    assert 'PersistentVolumeClaim "leaving" is being deleted' in warning


def test_a_class_that_waits_for_pods_leaves_its_claims_pending(
    cluster: Cluster, warns: Replicas
) -> None:
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


def test_a_trusted_ca_is_looked_at(cluster: Cluster, warns: Replicas) -> None:
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
        ("missing", 'ConfigMap "missing" does not exist in namespace image-registry-system'),
        ("expired", "expired on "),
        ("ending", "expires on "),
        ("broken", "holds no PEM certificate"),
        ("elsewhere", 'has "ca.crt", not ca-bundle.crt'),
    ):
        code, warnings = tried(cluster, s3(name=name))
        assert code == 0, warnings
        assert len(warnings) == bool(warning), warnings
        assert warning in "".join(warnings)


def test_without_the_right_to_look_nothing_is_refused(cluster: Cluster, warns: Replicas) -> None:
    role = ("rolebinding", "registry-admission-references", IN_REGISTRY)
    kept = cluster.kubectl("get", *role, "--output=json").stdout
    cluster.kubectl("delete", *role)
    try:
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


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"schedule": "0 0 30 2 *"}, "it never comes: none of its months has that day"),
        ({"keepTagRevisions": -1}, "spec.keepTagRevisions is -1, below 0"),
        ({"keepYoungerThanDuration": "4d"}, 'spec.keepYoungerThanDuration is "4d", not a duration'),
        ({"failedJobsHistoryLimit": -1}, "spec.failedJobsHistoryLimit is -1, below 0"),
        ({"successfulJobsHistoryLimit": -1}, "spec.successfulJobsHistoryLimit is -1, below 0"),
    ],
)
def test_a_pruner_that_cannot_run_is_refused(
    cluster: Cluster, warns: Replicas, spec: dict[str, Any], problem: str
) -> None:
    code, lines = tried(cluster, spec, "ImagePruner")

    assert code == 1
    assert problem in "\n".join(lines)


async def test_a_pruner_that_makes_no_room_is_warned_about(
    cluster: Cluster, warns: Replicas
) -> None:
    namespace = "prune-me"
    cluster.kubectl("apply", "--filename=-", input=quota(namespace, "images", 3))
    history = [{"image": f"sha256:{number:064x}", "created": "2030-01-01T00:00:00Z",
                "dockerImageReference": "", "generation": 1} for number in range(3)]  # fmt: skip
    stream = {
        "apiVersion": "image.alauda.io/v1", "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": namespace}, "spec": {},
    }  # fmt: skip
    cluster.kubectl("create", "--filename=-", input=json.dumps(stream))
    status = json.dumps({"status": {"tags": [{"tag": "v1", "items": history}]}})
    cluster.kubectl(
        "patch", "imagestreams.image.alauda.io", "app", f"--namespace={namespace}",
        "--subresource=status", "--type=merge", f"--patch={status}",
    )  # fmt: skip
    full = [
        "Warning: Namespace prune-me: pruning keeps 3 images, the newest 3 of every tag, and "
        "ResourceQuota image-registry-quota allows 3; lower spec.keepTagRevisions or delete tags"
    ]

    def pruned(**spec: int) -> tuple[int, list[str]]:
        """Other tests leave namespaces that are over their limits, too."""
        code, warnings = tried(cluster, spec, "ImagePruner")
        return code, [warning for warning in warnings if namespace in warning]

    await becomes(20, "the warning", pruned, (0, full))
    assert pruned(keepTagRevisions=2) == (0, [])
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def refuses(cluster: Cluster, warns: Replicas, tmp_path: Path) -> Iterator[Replicas]:
    """A strict service in the place of the one that warns."""
    with Answering(cluster, tmp_path, 1, "--reference-checks", "deny") as running:
        yield running
    warns._register()


def test_strict_checks_refuse(cluster: Cluster, refuses: Replicas) -> None:
    claim(cluster, "single")
    created(cluster, "ConfigMap", "expired", data={"ca-bundle.crt": bundle(-3 * DAY, -DAY)})

    for spec, problems in (
        (pvc("missing"), ["does not exist in namespace image-registry-system; create it"]),
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
    config = ("configs.imageregistry.operator.alauda.io", "cluster")
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
