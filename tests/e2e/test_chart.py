"""The Helm chart renders what kustomize builds, and a cluster takes it, upgrades and all."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.install.kustomization import Manifest
from app.version import VERSION

from .cluster import Cluster
from .overlays import CONFIGURATIONS, MANIFESTS, NAMESPACE, kustomize

pytestmark = pytest.mark.e2e

CHART = MANIFESTS / "chart"
IMAGE = "registry.example.com/registry-admission:1"
RELEASE = "registry-admission"
CA = "Y2E="


@pytest.fixture
def release(cluster: Cluster) -> Iterator[str]:
    """A namespace for a release, without anything that others left in the cluster."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=120)
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    helm(cluster, "uninstall", RELEASE, "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "namespace", NAMESPACE, timeout=120)


def helm(cluster: Cluster, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [cluster.tools / "helm", *arguments, f"--namespace={NAMESPACE}"],
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


def values(**chosen: Any) -> str:
    return f"--set-json={','.join(f'{key}={json.dumps(value)}' for key, value in chosen.items())}"


def rendered(cluster: Cluster, *arguments: str) -> list[Manifest]:
    text = helm(cluster, "template", RELEASE, str(CHART), *arguments).stdout
    return [one for one in yaml.safe_load_all(text) if one]


def built(cluster: Cluster, folder: Path, resources: str, *components: str) -> list[Manifest]:
    root = os.path.relpath(MANIFESTS.resolve(), folder.resolve())
    content = {
        "resources": [f"{root}/overlays/{resources}"],
        "components": [f"{root}/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return kustomize(cluster, folder)


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str, str], Manifest]:
    """Without the Namespace, which Helm does not make, and with the image that was chosen."""
    found = {}
    for one in manifests:
        if one["kind"] == "Namespace":
            continue
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        for container in spec.get("template", {}).get("spec", {}).get("containers", []):
            assert container["image"] in ("registry-admission", IMAGE)
            container["image"] = IMAGE
        metadata = one["metadata"]
        found[one["kind"], metadata.get("namespace", ""), metadata["name"]] = one
    return found


@pytest.mark.parametrize(
    ("chosen", "overlay", "components"),
    [
        ({}, "self-signed", []),
        ({"certificates": {"source": "cert-manager"}}, "cert-manager", []),
        ({"highAvailability": True}, "ha", []),
        (
            {"controllers": ["pull-secrets", "s3-credentials", "namespace-limits"]},
            "self-signed",
            [
                "components/pull-secrets",
                "components/s3-credentials",
                "components/namespace-limits",
            ],
        ),
        ({"policyReports": {"enabled": True}}, "self-signed", ["components/policy-reports"]),
        ({"gateway": {"enabled": True}}, "self-signed", ["components/gateway"]),
        ({"monitoring": {"enabled": True}}, "self-signed", ["monitoring"]),
        ({"domain": "openshift.io"}, "self-signed", ["components/openshift"]),
        (
            {
                "domain": "openshift.io",
                "controllers": ["pull-secrets", "s3-credentials"],
                "certificates": {"source": "cert-manager"},
                "highAvailability": True,
            },
            "cert-manager",
            [
                "components/pull-secrets",
                "components/s3-credentials",
                "components/ha",
                "components/openshift",
            ],
        ),
    ],
)
def test_the_chart_renders_what_kustomize_builds(
    cluster: Cluster,
    tmp_path: Path,
    chosen: dict[str, Any],
    overlay: str,
    components: list[str],
) -> None:
    expected = by_name(built(cluster, tmp_path, overlay, *components))

    found = by_name(rendered(cluster, values(image=IMAGE, **chosen)))

    assert found == expected


def test_a_certificate_that_exists_is_trusted_by_every_webhook(
    cluster: Cluster, tmp_path: Path
) -> None:
    chosen = {"certificates": {"source": "existing", "caBundle": CA}}
    expected = by_name(built(cluster, tmp_path, "mounted-secret"))

    found = by_name(rendered(cluster, values(image=IMAGE, **chosen)))

    bundles = {
        webhook["clientConfig"].pop("caBundle")
        for one in found.values()
        for webhook in one.get("webhooks", [])
    }
    assert bundles == {CA}
    assert found == expected


def test_no_container_has_another_image(cluster: Cluster) -> None:
    everything = {key: {"enabled": True} for key in ("gateway", "policyReports", "monitoring")}
    text = yaml.safe_dump_all(rendered(cluster, values(image=IMAGE, **everything)))

    assert text.count(f"image: {IMAGE}") == text.count("image: ") == 3


def test_words_of_the_manifests_in_values_stay_as_they_are(cluster: Cluster) -> None:
    image, hosts = "alauda.io/image-registry-system/service:1", "registry.alauda.io"
    upstream = "https://registry.image-registry-system.svc:5000"
    chosen = {
        "domain": "openshift.io",
        "settings": {"registry-hosts": hosts},
        "gateway": {"enabled": True, "upstream": upstream},
        "policyReports": {"enabled": True},
    }

    text = yaml.safe_dump_all(rendered(cluster, values(image=image, **chosen)))

    assert text.count(f"image: {image}\n") == text.count("image: ") == 3
    assert f"value: {hosts}\n" in text
    assert f"value: {upstream}\n" in text


def test_settings_are_variables_of_the_service_alone(cluster: Cluster) -> None:
    chosen = {"mode": "warn", "page": True, "settings": {"unknown-size": "warn"}, "replicas": 5}

    found = rendered(cluster, values(image=IMAGE, gateway={"enabled": True}, **chosen))

    plain = rendered(cluster, values(image=IMAGE, gateway={"enabled": True}))
    [service, gateway] = sorted(
        (one for one in found if one["kind"] == "Deployment"),
        key=lambda one: str(one["metadata"]["name"]),
    )
    assert service["spec"]["replicas"] == 5
    assert service["spec"]["template"]["spec"]["containers"][0]["env"][-3:] == [
        {"name": "REGISTRY_ADMISSION_DEFAULT_MODE", "value": "warn"},
        {"name": "REGISTRY_ADMISSION_PAGE", "value": "on"},
        {"name": "REGISTRY_ADMISSION_UNKNOWN_SIZE", "value": "warn"},
    ]
    assert gateway in plain


def test_the_release_may_be_in_any_namespace(cluster: Cluster) -> None:
    arguments = ("template", RELEASE, str(CHART), values(image=IMAGE, highAvailability=True))
    text = subprocess.run(
        [cluster.tools / "helm", *arguments, "--namespace=platform"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    manifests = [one for one in yaml.safe_load_all(text) if one]
    namespaces = {one["metadata"].get("namespace") for one in manifests}
    assert namespaces == {None, "platform", "image-registry-system"}
    assert "namespace: registry-admission" not in text
    for one in manifests:
        for webhook in one.get("webhooks", []):
            assert webhook["clientConfig"]["service"]["namespace"] == "platform"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"image": IMAGE, "mode": "loud"},
        {"image": IMAGE, "replicas": "three"},
        {"image": IMAGE, "replica": 3},
        {"image": IMAGE, "domain": "example.com"},
        {"image": IMAGE, "controllers": ["pruner"]},
        {"image": IMAGE, "certificates": {"source": "existing"}},
    ],
)
def test_values_that_mean_nothing_are_refused(cluster: Cluster, wrong: dict[str, Any]) -> None:
    chosen = [values(**wrong)] if wrong else []

    refused = helm(cluster, "template", RELEASE, str(CHART), *chosen, check=False)

    assert refused.returncode == 1
    assert refused.stdout == ""


def test_the_chart_is_linted_and_has_the_version_of_the_project(cluster: Cluster) -> None:
    helm(cluster, "lint", "--strict", str(CHART), values(image=IMAGE))
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_install_upgrade_and_rollback_keep_what_the_service_wrote(
    cluster: Cluster, release: str
) -> None:
    def replicas() -> int:
        path = "--output=jsonpath={.spec.replicas}"
        shown = cluster.kubectl("get", "deployment", RELEASE, f"--namespace={release}", path)
        return int(shown.stdout)

    def bundles() -> set[str | None]:
        found = [
            json.loads(cluster.kubectl("get", one, RELEASE, "--output=json").stdout)
            for one in CONFIGURATIONS
        ]
        return {hook["clientConfig"].get("caBundle") for one in found for hook in one["webhooks"]}

    helm(cluster, "install", RELEASE, str(CHART), values(image=IMAGE))
    assert bundles() == {None}
    for configuration in CONFIGURATIONS:
        written = json.loads(cluster.kubectl("get", configuration, RELEASE, "--output=json").stdout)
        patch = [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": CA}
            for index in range(len(written["webhooks"]))
        ]
        cluster.kubectl("patch", configuration, RELEASE, "--type=json", "-p", json.dumps(patch))

    helm(cluster, "upgrade", RELEASE, str(CHART), values(image=IMAGE, replicas=5))
    assert (replicas(), bundles()) == (5, {CA})
    helm(cluster, "rollback", RELEASE, "1")
    assert (replicas(), bundles()) == (3, {CA})

    helm(cluster, "uninstall", RELEASE, "--wait")
    kinds = "deployments,services,roles,rolebindings,networkpolicies,poddisruptionbudgets"
    left = cluster.kubectl("get", kinds, f"--namespace={release}", "--output=name").stdout
    assert left == ""
    for configuration in CONFIGURATIONS:
        assert cluster.kubectl("get", configuration, "--output=name").stdout == ""
