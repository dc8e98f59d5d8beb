"""A real API server accepts the overlays, and `install` prints the same objects."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.certs import files
from app.certs.cluster import service_names
from app.config.setting_types import CONTROLLERS
from app.install import installing
from app.install.kustomization import Manifest

from .cluster import Cluster
from .domain import DOMAIN
from .overlays import IMAGE, MANIFESTS, NAMESPACE, apply, kustomize, overlay

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("no_webhooks_left")]

OVERLAYS = ["self-signed", "mounted-secret", "cert-manager", "ha"]
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
    """The kinds of cert-manager, as custom resources, so that its objects can be stored."""
    crds = "".join(
        CERT_MANAGER % {"kind": kind, "singular": kind.lower(), "plural": f"{kind.lower()}s"}
        for kind in ("Issuer", "Certificate")
    )
    cluster.kubectl("apply", "--filename=-", input=crds)
    cluster.wait_for_custom_resources()
    yield
    cluster.kubectl("delete", "--filename=-", input=crds)


def by_name(manifests: list[Manifest]) -> list[tuple[str, str, Manifest]]:
    keys = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(keys) == len(set(keys))
    return sorted((kind, name, one) for (kind, name), one in zip(keys, manifests, strict=True))


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_api_server_takes_every_overlay_without_a_warning(cluster: Cluster, name: str) -> None:
    manifests = overlay(cluster, name)

    assert apply(cluster, manifests) == ""
    assert apply(cluster, manifests) == "", "and takes it again"


def test_every_overlay_is_tested() -> None:
    assert sorted(OVERLAYS) == sorted(path.name for path in (MANIFESTS / "overlays").iterdir())


@pytest.mark.parametrize("name", OVERLAYS)
def test_restricted_namespace_admits_the_pod(cluster: Cluster, name: str) -> None:
    manifests = overlay(cluster, name)
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


@pytest.mark.parametrize("name", ["self-signed", "mounted-secret"])
def test_install_prints_the_overlay_of_kustomize(
    cluster: Cluster, name: str, tmp_path: Path
) -> None:
    certificate = None
    if name == "mounted-secret":
        files.make(tmp_path, service_names(NAMESPACE, NAMESPACE))
        certificate = installing.read_certificate(tmp_path, NAMESPACE)
    printed = installing.manifests(
        namespace=NAMESPACE,
        image=IMAGE,
        replicas=3,
        api_domain=DOMAIN,
        certificate=certificate,
    )
    for manifest in printed:
        for webhook in manifest.get("webhooks", []):
            webhook["clientConfig"].pop("caBundle", None)
    without_secret = [one for one in printed if one["kind"] != "Secret"]

    expected = overlay(cluster, name)
    assert by_name(without_secret) == by_name(expected)


def test_components_fit_every_overlay_and_match_install(cluster: Cluster, tmp_path: Path) -> None:
    def combined(base: str, *components: str) -> list[Manifest]:
        root = os.path.relpath(MANIFESTS.resolve(), tmp_path.resolve())
        content = {
            "resources": [f"{root}/overlays/{base}"],
            "components": [f"{root}/components/{component}" for component in components],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(content))
        return kustomize(cluster, tmp_path)

    cluster.kubectl("create", "namespace", "openshift-image-registry", check=False)
    for controllers in ((), CONTROLLERS):
        installed = installing.manifests(
            namespace=NAMESPACE,
            image=IMAGE,
            replicas=3,
            api_domain="openshift.io",
            controllers=controllers,
            policy_reports=bool(controllers),
        )
        reports = ["policy-reports"] if controllers else []
        found = combined("self-signed", *controllers, *reports, "openshift")
        assert by_name(found) == by_name(installed)
    assert apply(cluster, combined("cert-manager", *CONTROLLERS, "openshift", "ha")) == ""
    for controller in CONTROLLERS:
        cluster.kubectl("delete", "clusterrolebinding", f"registry-admission-{controller}")
