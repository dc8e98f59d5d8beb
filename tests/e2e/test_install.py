"""The manifests on a real API server: accepted, harmless without the service, sufficient for it."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app import installing
from app.certs import files, trust
from app.certs.cluster import ClusterCertificates, service_names
from app.cli.main import main
from app.cluster.api import ApiError, KubeApi
from app.kustomization import Manifest

from .cluster import Cluster

pytestmark = pytest.mark.e2e

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = ["self-signed", "mounted-secret", "cert-manager", "ha"]
NAMESPACE = "registry-admission"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:registry-admission"
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
IMAGE = "registry-admission"
NOWHERE = "https://127.0.0.1:1/"
"""Nothing listens there: that a webhook is asked shows as a refused connection."""

CERT_MANAGER = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %(plural)s.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {kind: %(kind)s, singular: %(singular)s, plural: %(plural)s}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
---
"""


@pytest.fixture(scope="module", autouse=True)
def _cert_manager(cluster: Cluster) -> Iterator[None]:
    """What of cert-manager the API server has to know to store its objects."""
    crds = "".join(
        CERT_MANAGER % {"kind": kind, "singular": kind.lower(), "plural": f"{kind.lower()}s"}
        for kind in ("Issuer", "Certificate")
    )
    cluster.kubectl("apply", "--filename=-", input=crds)
    cluster.kubectl("wait", "--for=condition=Established", "--filename=-", input=crds)
    yield
    cluster.kubectl("delete", "--filename=-", input=crds)


@pytest.fixture(scope="module", autouse=True)
def _namespace(cluster: Cluster) -> Iterator[None]:
    yield
    cluster.kubectl("delete", "--ignore-not-found", "namespace", NAMESPACE)


@pytest.fixture(autouse=True)
def _no_webhooks_for_others(cluster: Cluster) -> Iterator[None]:
    yield
    for resource in CONFIGURATIONS:
        cluster.kubectl("delete", "--ignore-not-found", resource, NAMESPACE)


def kustomize(cluster: Cluster, folder: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", str(folder)).stdout))


def apply(cluster: Cluster, manifests: list[Manifest]) -> str:
    """Applies manifests; what the API server warns of."""
    text = yaml.safe_dump_all(manifests)
    return cluster.kubectl("apply", "--server-side", "--filename=-", input=text).stderr


def by_name(manifests: list[Manifest]) -> list[tuple[str, str, Manifest]]:
    keys = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(keys) == len(set(keys))
    return sorted((kind, name, one) for (kind, name), one in zip(keys, manifests, strict=True))


def run(cluster: Cluster, *arguments: str) -> Result:
    options = ("--apply", "--kubeconfig", str(cluster.kubeconfig))
    return CliRunner().invoke(main, [*arguments, *options])


def install(cluster: Cluster, *options: str) -> None:
    installed = run(cluster, "install", "--image", IMAGE, *options)
    assert installed.exit_code == 0, installed.output


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_every_overlay_without_a_warning(
    cluster: Cluster, overlay: str
) -> None:
    manifests = kustomize(cluster, MANIFESTS / "overlays" / overlay)

    assert apply(cluster, manifests) == ""
    assert apply(cluster, manifests) == "", "and takes it again"


def test_the_examples_of_overlays_are_all_there_are() -> None:
    assert sorted(OVERLAYS) == sorted(path.name for path in (MANIFESTS / "overlays").iterdir())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_restricted_namespace_takes_the_pod(cluster: Cluster, overlay: str) -> None:
    manifests = kustomize(cluster, MANIFESTS / "overlays" / overlay)
    apply(cluster, manifests)
    [deployment] = [one for one in manifests if one["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "one", "namespace": NAMESPACE}

    cluster.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(pod))

    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = cluster.kubectl(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(pod), check=False
    )
    assert 'violates PodSecurity "restricted' in refused.stderr


@pytest.mark.parametrize("overlay", ["self-signed", "mounted-secret"])
def test_install_is_the_overlay_of_kustomize(
    cluster: Cluster, overlay: str, tmp_path: Path
) -> None:
    certificate = None
    if overlay == "mounted-secret":
        files.make(tmp_path, service_names(NAMESPACE, NAMESPACE))
        certificate = installing.read_certificate(tmp_path, NAMESPACE)
    printed = installing.manifests(
        namespace=NAMESPACE,
        image=IMAGE,
        replicas=3,
        api_domain="alauda.io",
        certificate=certificate,
    )
    for manifest in printed:
        for webhook in manifest.get("webhooks", []):
            webhook["clientConfig"].pop("caBundle", None)
    without_secret = [one for one in printed if one["kind"] != "Secret"]

    expected = kustomize(cluster, MANIFESTS / "overlays" / overlay)
    assert by_name(without_secret) == by_name(expected)


def test_the_components_fit_every_overlay_and_say_what_install_says(
    cluster: Cluster, tmp_path: Path
) -> None:
    def combined(overlay: str, *components: str) -> list[Manifest]:
        root = os.path.relpath(MANIFESTS.resolve(), tmp_path.resolve())
        content = {
            "resources": [f"{root}/overlays/{overlay}"],
            "components": [f"{root}/components/{component}" for component in components],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(content))
        return kustomize(cluster, tmp_path)

    installed = installing.manifests(
        namespace=NAMESPACE, image=IMAGE, replicas=3, api_domain="openshift.io"
    )
    assert by_name(combined("self-signed", "openshift")) == by_name(installed)
    assert apply(cluster, combined("cert-manager", "openshift", "ha")) == ""


def config_map(**data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}, "data": data}


def quota(**spec: Any) -> Manifest:
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "probe"}, "spec": spec,
    }  # fmt: skip


def limit_range(*limits: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "probe"},
        "spec": {"limits": list(limits)},
    }  # fmt: skip


def image_kind(kind: str, **content: Any) -> Manifest:
    return {
        "apiVersion": "image.alauda.io/v1", "kind": kind, "metadata": {"name": "probe"}, **content,
    }  # fmt: skip


def registry_kind(kind: str) -> Manifest:
    return {
        "apiVersion": "imageregistry.operator.alauda.io/v1", "kind": kind,
        "metadata": {"name": "cluster"}, "spec": {"managementState": "Managed"},
    }  # fmt: skip


POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
    "spec": {"containers": [{"name": "probe", "image": "probe"}]},
}  # fmt: skip
CONTAINER = {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}}


@pytest.fixture
def unanswered(cluster: Cluster) -> Cluster:
    """The webhooks, all of them with `Fail`, and nobody who answers."""
    apply(cluster, kustomize(cluster, MANIFESTS / "overlays" / "self-signed"))
    for resource in CONFIGURATIONS:
        found = json.loads(cluster.kubectl("get", resource, NAMESPACE, "--output=json").stdout)
        for webhook in found["webhooks"]:
            webhook["clientConfig"] = {"url": NOWHERE}
            webhook["failurePolicy"] = "Fail"
        cluster.kubectl("replace", "--filename=-", input=json.dumps(found))
    # API servers hear of it a moment later.
    for manifest in (config_map(rules="-"), registry_kind("Config")):
        while not asked(cluster, manifest):
            pass
    return cluster


def asked(cluster: Cluster, manifest: Manifest, namespace: str = "default") -> str:
    """The webhook that the API server asks about the creation of an object."""
    created = cluster.kubectl(
        "create", f"--namespace={namespace}", "--dry-run=server", "--filename=-",
        input=json.dumps(manifest), check=False,
    )  # fmt: skip
    if created.returncode == 0:
        return ""
    assert "failed calling webhook" in created.stderr, created.stderr
    return created.stderr.split('failed calling webhook "')[1].partition(".")[0]


def test_only_what_the_service_has_something_to_say_about_reaches_it(unanswered: Cluster) -> None:
    expected: list[tuple[Manifest, str]] = [
        (POD, ""),
        (config_map(max_image_size="1GB"), "configmaps"),
        (config_map(tag_count_limit="10"), "configmaps"),
        (config_map(rules="[]"), "configmaps"),
        (config_map(other="rules"), ""),
        ({**config_map(), "binaryData": {"rules": "AA=="}}, ""),
        (quota(), ""),
        (quota(hard={"pods": "1", "requests.storage": "1Gi"}), ""),
        (quota(hard={"pods": "1", "alauda.io/images": "1"}), "limits"),
        (quota(hard={"alauda.io/imagestream": "1"}), "limits"),
        (quota(hard={"image.alauda.io/images": "1"}), "limits"),
        (quota(hard={"openshift.io/images": "1"}), "limits"),
        (quota(hard={"xalauda.io/images": "1"}), ""),
        (limit_range(), ""),
        ({**limit_range(), "spec": {}}, ""),
        (limit_range(CONTAINER), ""),
        (limit_range(CONTAINER, {"type": "alauda.io/Image", "max": {"storage": "1"}}), "limits"),
        (limit_range({"type": "Pod", "min": {"alauda.io/images": "1"}}), "limits"),
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


@pytest.mark.parametrize("namespace", ["kube-system", NAMESPACE])
def test_system_namespaces_do_not_wait_for_the_service(unanswered: Cluster, namespace: str) -> None:
    for manifest in (config_map(rules="-"), quota(hard={"alauda.io/images": "1"})):
        assert asked(unanswered, manifest, namespace) == ""
    assert asked(unanswered, image_kind("ImageStream"), namespace) == ""


@pytest.fixture
def stored(cluster: Cluster) -> Iterator[None]:
    """A stream and a quota from before the service went away, the quota with a finalizer."""
    held = quota(hard={"alauda.io/images": "1"})
    held["metadata"]["finalizers"] = ["example.com/held"]
    tagged = image_kind("ImageStream", spec={"tags": [{"name": "v1"}]})
    for manifest in (held, tagged):
        cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))
    yield
    for resource in CONFIGURATIONS:
        cluster.kubectl("delete", "--ignore-not-found", resource, NAMESPACE)
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
        (["quota"], {"spec": {"hard": {"alauda.io/images": "2"}}}, True),
        (["quota", "--subresource=status"], {"status": {"used": {"alauda.io/images": "1"}}}, False),
    ],
    ids=["label", "new tag", "no tags", "status", "limit", "count"],
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
def test_what_is_being_deleted_does_not_wait_for_the_service(unanswered: Cluster) -> None:
    unanswered.kubectl("delete", "--wait=false", "quota", "probe")
    patch = '{"metadata":{"finalizers":null}}'

    unanswered.kubectl("patch", "quota", "probe", "--type=merge", f"--patch={patch}")

    assert "NotFound" in unanswered.kubectl("get", "quota", "probe", check=False).stderr


def configurations(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        json.loads(cluster.kubectl("get", resource, NAMESPACE, "--output=json").stdout)
        for resource in CONFIGURATIONS
    ]


async def test_the_service_account_may_look_after_the_certificates(
    cluster: Cluster, tmp_path: Path
) -> None:
    await asyncio.to_thread(install, cluster)
    before = configurations(cluster)
    token = cluster.kubectl(
        "create", "token", f"--namespace={NAMESPACE}", "registry-admission"
    ).stdout.strip()
    kubeconfig = tmp_path / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig, token)
    api = await KubeApi.connect(str(kubeconfig), None)
    names = service_names(NAMESPACE, NAMESPACE)
    certificates = ClusterCertificates(api, tmp_path, namespace=NAMESPACE, names=names)
    try:
        await certificates.prepare()
        while await certificates.step():
            pass
        with pytest.raises(ApiError, match="is forbidden"):
            await api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets")
    finally:
        await api.close()

    assert certificates.problems() == []
    found = configurations(cluster)
    bundles = {
        webhook["clientConfig"].pop("caBundle")
        for configuration in found
        for webhook in configuration["webhooks"]
    }
    assert len(bundles) == 1
    assert [one["webhooks"] for one in found] == [one["webhooks"] for one in before]
    secret = cluster.kubectl(
        "get", "secret", "registry-admission-tls", f"--namespace={NAMESPACE}", "--output=json"
    )
    assert {json.loads(secret.stdout)["data"]["ca.crt"]} == bundles
    assert trust.missing_names((tmp_path / files.CERTIFICATE).read_bytes(), names) == []

    await asyncio.to_thread(install, cluster)
    kept = {
        webhook["clientConfig"]["caBundle"]
        for configuration in configurations(cluster)
        for webhook in configuration["webhooks"]
    }
    assert kept == bundles, "installing again must not take the caBundle away"


@pytest.mark.parametrize(
    ("verb", "target", "allowed"),
    [
        ("list", ["limitranges", "--all-namespaces"], True),
        ("watch", ["resourcequotas", "--all-namespaces"], True),
        ("watch", ["namespaces"], True),
        ("watch", ["imagestreams.image.alauda.io", "--all-namespaces"], True),
        ("get", ["images.image.alauda.io"], True),
        ("patch", ["resourcequotas", "--subresource=status", "--namespace=default"], True),
        ("create", ["events", "--namespace=default"], True),
        ("create", ["tokenreviews.authentication.k8s.io"], True),
        ("create", ["subjectaccessreviews.authorization.k8s.io"], True),
        ("delete", ["configmaps", f"--namespace={NAMESPACE}"], True),
        ("patch", ["leases/registry-admission", f"--namespace={NAMESPACE}"], True),
        ("patch", ["imagestreams.image.alauda.io/registry-admission-heartbeat",
                   f"--namespace={NAMESPACE}"], True),
        ("update", ["secrets/registry-admission-tls", f"--namespace={NAMESPACE}"], True),
        ("patch", ["validatingwebhookconfigurations/registry-admission"], True),
        ("patch", ["validatingwebhookconfigurations/another"], False),
        ("create", ["mutatingwebhookconfigurations"], False),
        ("get", ["secrets/another", f"--namespace={NAMESPACE}"], False),
        ("get", ["secrets", "--namespace=default"], False),
        ("get", ["configmaps", "--namespace=default"], False),
        ("update", ["resourcequotas", "--namespace=default"], False),
        ("patch", ["imagestreams.image.alauda.io", "--namespace=default"], False),
        ("update", ["leases/another", f"--namespace={NAMESPACE}"], False),
        ("create", ["pods", f"--namespace={NAMESPACE}"], False),
    ],
)  # fmt: skip
def test_what_the_service_account_may_do(
    cluster: Cluster, verb: str, target: list[str], allowed: bool
) -> None:
    apply(cluster, kustomize(cluster, MANIFESTS / "overlays" / "self-signed"))

    answer = cluster.kubectl("auth", "can-i", verb, *target, f"--as={ACCOUNT}", check=False)

    assert answer.stdout.strip() == ("yes" if allowed else "no"), answer.stderr


def test_who_brings_the_certificate_keeps_the_service_from_secrets(
    cluster: Cluster, tmp_path: Path
) -> None:
    run(cluster, "uninstall")
    files.make(tmp_path, service_names(NAMESPACE, NAMESPACE))

    install(cluster, "--tls-dir", str(tmp_path))

    for resource in ("secrets/registry-admission-tls", "secrets"):
        answer = cluster.kubectl(
            "auth", "can-i", "get", resource, f"--namespace={NAMESPACE}", f"--as={ACCOUNT}",
            check=False,
        )  # fmt: skip
        assert answer.stdout.strip() == "no"


def test_what_is_installed_is_uninstalled(cluster: Cluster) -> None:
    namespace = "other-admission"
    options = ("--namespace", namespace)
    selector = "--selector=app.kubernetes.io/name=registry-admission"
    kinds = (
        "namespaces,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,"
        "services,deployments,poddisruptionbudgets,networkpolicies,"
        f"{','.join(CONFIGURATIONS)}"
    )

    def present() -> list[str]:
        listed = ("get", kinds, f"--namespace={namespace}", selector, "--output=name")
        return cluster.kubectl(*listed).stdout.split()

    run(cluster, "uninstall")
    before = present()
    install(cluster, *options)
    assert len(present()) - len(before) == 16

    removed = run(cluster, "uninstall", *options, "--delete-namespace")
    assert removed.exit_code == 0, removed.output
    cluster.kubectl("wait", "--for=delete", f"namespace/{namespace}", "--timeout=60s")
    assert present() == before


def test_a_refusal_of_the_api_server_is_shown(cluster: Cluster, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig, "nobody's token")

    answer = CliRunner().invoke(
        main, ["install", "--image", IMAGE, "--apply", "--kubeconfig", str(kubeconfig)]
    )

    assert answer.exit_code == 1
    assert "PATCH /api/v1/namespaces/registry-admission: Unauthorized" in answer.output
