"""The requests that the API server sends to the service, tested with a service that is away."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.install import installing
from app.install.kustomization import Manifest
from tests.patience import PATIENCE

from .cluster import Cluster
from .domain import DOMAIN, REGISTRY
from .overlays import CONFIGURATIONS, NAMESPACE, apply, remove_webhooks

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("no_webhooks_left")]

NOWHERE = "https://127.0.0.1:1/"
"""An address without a listener: a call of a webhook fails with a refused connection."""


def config_map(**data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}, "data": data}


def quota(**spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "probe"},
        "spec": spec,
    }


def limit_range(*limits: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "probe"},
        "spec": {"limits": list(limits)},
    }


def image_kind(kind: str, **content: Any) -> Manifest:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": kind,
        "metadata": {"name": "probe"},
        **content,
    }


def registry_kind(kind: str) -> Manifest:
    return {
        "apiVersion": f"imageregistry.operator.{DOMAIN}/v1",
        "kind": kind,
        "metadata": {"name": "cluster"},
        "spec": {"managementState": "Managed"},
    }


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe"},
    "spec": {"containers": [{"name": "probe", "image": "probe"}]},
}
CONTAINER = {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}}


@pytest.fixture
def unanswered(cluster: Cluster) -> Cluster:
    """All webhooks with `failurePolicy: Fail`, and no service that answers."""
    apply(
        cluster,
        installing.manifests(
            namespace=NAMESPACE, image="registry-admission", replicas=3, api_domain=DOMAIN
        ),
    )
    for resource in CONFIGURATIONS:
        found = json.loads(cluster.kubectl("get", resource, NAMESPACE, "--output=json").stdout)
        for webhook in found["webhooks"]:
            webhook["clientConfig"] = {"url": NOWHERE}
            webhook["failurePolicy"] = "Fail"
        cluster.kubectl("replace", "--filename=-", input=json.dumps(found))
    # API servers see the change a moment later.
    for manifest in (config_map(rules="-"), registry_kind("Config")):
        deadline = time.monotonic() + PATIENCE
        while not asked(cluster, manifest) and time.monotonic() < deadline:
            time.sleep(0.1)
    return cluster


def asked(cluster: Cluster, manifest: Manifest, namespace: str = "default") -> str:
    """The webhook that the API server asks about the creation of an object."""
    created = cluster.kubectl(
        "create",
        f"--namespace={namespace}",
        "--dry-run=server",
        "--filename=-",
        input=json.dumps(manifest),
        check=False,
    )
    if created.returncode == 0:
        return ""
    assert "failed calling webhook" in created.stderr, created.stderr
    return created.stderr.split('failed calling webhook "')[1].partition(".")[0]


def test_only_relevant_requests_reach_the_service(unanswered: Cluster) -> None:
    expected: list[tuple[Manifest, str]] = [
        (POD, ""),
        (config_map(max_image_size="1GB"), "configmaps"),
        (config_map(tag_count_limit="10"), "configmaps"),
        (config_map(rules="[]"), "configmaps"),
        ({**config_map(), "metadata": {"name": "registry-gateway-config"}}, "configmaps"),
        (config_map(other="rules"), ""),
        ({**config_map(), "binaryData": {"rules": "AA=="}}, ""),
        (quota(), ""),
        (quota(hard={"pods": "1", "requests.storage": "1Gi"}), ""),
        (quota(hard={"pods": "1", f"{DOMAIN}/images": "1"}), "limits"),
        (quota(hard={f"{DOMAIN}/imagestream": "1"}), "limits"),
        (quota(hard={f"image.{DOMAIN}/images": "1"}), "limits"),
        (quota(hard={"alauda.io/images": "1"}), "limits"),
        (quota(hard={"openshift.io/images": "1"}), "limits"),
        (quota(hard={f"requests.{DOMAIN}/images": "1"}), "limits"),
        (quota(hard={f"count/imagestreams.image.{DOMAIN}": "1"}), "limits"),
        (quota(hard={"count/pods": "1"}), ""),
        (quota(hard={f"x{DOMAIN}/images": "1"}), ""),
        (limit_range(), ""),
        ({**limit_range(), "spec": {}}, ""),
        (limit_range(CONTAINER), ""),
        (limit_range(CONTAINER, {"type": f"{DOMAIN}/Image", "max": {"storage": "1"}}), "limits"),
        (limit_range({"type": "Pod", "min": {f"{DOMAIN}/images": "1"}}), "limits"),
        (image_kind("ImageStream"), "pushes"),
        (image_kind("ImageStreamMapping", image={}, tag="v1"), "pushes"),
        (image_kind("ImageStreamTag"), "pushes"),
        (image_kind("ImageTag"), "pushes"),
        (image_kind("ImageStreamImport", spec={"import": True}), "pushes"),
        (image_kind("Image"), "images"),
        (registry_kind("Config"), "registry-defaults"),
        (registry_kind("ImagePruner"), "registry"),
    ]

    assert [(manifest, asked(unanswered, manifest)) for manifest, _ in expected] == expected


def test_only_one_secret_is_sent_to_the_webhook(unanswered: Cluster) -> None:
    def secret(name: str, **metadata: Any) -> Manifest:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, **metadata}}

    user, registry = "image-registry-private-configuration-user", REGISTRY
    expected = [
        (user, registry, "credentials"),
        ("image-registry-private-configuration", registry, ""),
        (f"{user}-2", registry, ""),
        (user, "default", ""),
        (user, "kube-system", ""),
        (user, NAMESPACE, ""),
    ]
    assert [
        (name, namespace, asked(unanswered, secret(name), namespace))
        for name, namespace, _ in expected
    ] == expected
    generated = {**secret(""), "metadata": {"generateName": user}}
    assert asked(unanswered, generated, registry) == ""


def test_only_deletions_of_claims_of_the_registry_are_sent_to_the_webhook(
    unanswered: Cluster,
) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "probe"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    controllers = "system:serviceaccount:kube-system:namespace-controller"

    def deleted(namespace: str, *flags: str) -> str:
        answer = unanswered.kubectl(
            "delete",
            "pvc",
            "probe",
            f"--namespace={namespace}",
            "--dry-run=server",
            *flags,
            check=False,
        )
        return answer.stderr.partition('failed calling webhook "')[2].partition(".")[0]

    for namespace, webhook in ((REGISTRY, "claims"), ("default", "")):
        assert asked(unanswered, claim, namespace) == ""
        unanswered.kubectl(
            "create", f"--namespace={namespace}", "--filename=-", input=json.dumps(claim)
        )
        assert deleted(namespace) == webhook
        assert deleted(namespace, f"--as={controllers}", "--as-group=system:masters") == ""
        unanswered.kubectl(
            "delete",
            "pvc",
            "probe",
            f"--namespace={namespace}",
            "--wait=false",
            f"--as={controllers}",
            "--as-group=system:masters",
        )


@pytest.mark.parametrize("namespace", ["kube-system", NAMESPACE])
def test_system_namespaces_do_not_wait_for_the_service(unanswered: Cluster, namespace: str) -> None:
    for manifest in (config_map(rules="-"), quota(hard={f"{DOMAIN}/images": "1"})):
        assert asked(unanswered, manifest, namespace) == ""
    assert asked(unanswered, image_kind("ImageStream"), namespace) == ""


ADDRESS = {"status": {"dockerImageRepository": "registry/default/probe"}}


@pytest.mark.parametrize("namespace", ["openshift", "openshift-monitoring", "openshifted"])
def test_the_platforms_namespaces_wait_for_the_service_only_where_it_is_not_openshift(
    unanswered: Cluster, namespace: str
) -> None:
    unanswered.kubectl("create", "namespace", namespace, check=False)
    own = DOMAIN == "openshift.io" and namespace != "openshifted"
    for manifest, webhook in (
        (quota(hard={f"{DOMAIN}/images": "1"}), "limits"),
        (image_kind("ImageStream"), "pushes"),
    ):
        assert asked(unanswered, manifest, namespace) == ("" if own else webhook)


@pytest.fixture
def stored(cluster: Cluster) -> Iterator[None]:
    """A stream and a quota from before the service went away, the quota with a finalizer."""
    held = quota(hard={f"{DOMAIN}/images": "1"})
    held["metadata"]["finalizers"] = ["example.com/held"]
    tagged = image_kind("ImageStream", spec={"tags": [{"name": "v1"}]})
    for manifest in (held, tagged):
        cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))
    yield
    remove_webhooks(cluster)
    cluster.kubectl("delete", "--ignore-not-found", "imagestream", "probe")
    cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "quota", "probe")
    patch = '{"metadata":{"finalizers":null}}'
    cluster.kubectl("patch", "quota", "probe", "--type=merge", f"--patch={patch}", check=False)


@pytest.mark.parametrize(
    ("target", "patch", "refused"),
    [
        (["imagestream"], {"metadata": {"labels": {"a": "b"}}}, False),
        (["imagestream"], {"spec": {"tags": [{"name": "v1"}, {"name": "v2"}]}}, True),
        (["imagestream"], {"spec": None}, True),
        (["imagestream", "--subresource=status"], {"status": {"tags": [{"tag": "v1"}]}}, True),
        (["imagestream", "--subresource=status"], ADDRESS, False),
        (["quota"], {"spec": {"hard": {f"{DOMAIN}/images": "2"}}}, True),
        (["quota", "--subresource=status"], {"status": {"used": {f"{DOMAIN}/images": "1"}}}, False),
    ],
    ids=["label", "new tag", "no tags", "status", "address", "limit", "count"],
)
@pytest.mark.usefixtures("stored")
def test_updates_that_bring_nothing_do_not_wait_for_the_service(
    unanswered: Cluster, target: list[str], patch: dict[str, Any], refused: bool
) -> None:
    patched = unanswered.kubectl(
        "patch", *target, "probe", "--type=merge", f"--patch={json.dumps(patch)}", check=False
    )

    assert ("failed calling webhook" in patched.stderr) is refused, patched.stderr
    assert (patched.returncode != 0) is refused, patched.stderr


@pytest.mark.usefixtures("stored")
def test_objects_in_deletion_do_not_wait_for_the_service(unanswered: Cluster) -> None:
    unanswered.kubectl("delete", "--wait=false", "quota", "probe")
    patch = '{"metadata":{"finalizers":null}}'

    unanswered.kubectl("patch", "quota", "probe", "--type=merge", f"--patch={patch}")

    assert "NotFound" in unanswered.kubectl("get", "quota", "probe", check=False).stderr
