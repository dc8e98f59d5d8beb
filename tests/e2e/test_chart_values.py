"""The effect of the values of the Helm chart, and the values that are refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.controllers import namespace_limits
from app.install.kustomization import Manifest
from app.version import VERSION

from .cluster import Cluster
from .helm import CHART, IMAGE, RELEASE, helm, rendered, values

pytestmark = pytest.mark.e2e


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


def environment(manifests: list[Manifest], name: str) -> dict[str, Any]:
    container = pod_of(manifests, name)["containers"][0]
    variables = [variable["name"] for variable in container["env"]]
    assert len(variables) == len(set(variables))
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def test_a_setting_takes_the_place_of_a_variable_of_the_manifests(cluster: Cluster) -> None:
    chosen = {"settings": {"shutdown-delay": "20s"}, "registryNamespace": "registry"}
    gateway = {"enabled": True, "settings": {"shutdown-timeout": "10m", "max-uploads": 128}}

    found = rendered(cluster, values(image=IMAGE, mode="warn", gateway=gateway, **chosen))

    service = environment(found, "registry-admission")
    assert service["REGISTRY_ADMISSION_SHUTDOWN_DELAY"] == "20s"
    assert service["REGISTRY_ADMISSION_REGISTRY_NAMESPACE"] == "registry"
    assert service["REGISTRY_ADMISSION_DEFAULT_MODE"] == "warn"
    proxy = environment(found, "registry-gateway")
    assert proxy["REGISTRY_ADMISSION_SHUTDOWN_TIMEOUT"] == "10m"
    assert proxy["REGISTRY_ADMISSION_MAX_UPLOADS"] == "128"
    assert proxy["REGISTRY_ADMISSION_DEFAULT_MODE"] == "warn"


def test_numbers_of_a_values_file_are_written_in_full(cluster: Cluster, tmp_path: Path) -> None:
    chosen = {
        "image": IMAGE,
        "settings": {"max-body-bytes": 16777216, "review-timeout": 1.5},
        "gateway": {"enabled": True, "settings": {"max-uploads": 2000000}},
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(chosen))

    found = rendered(cluster, f"--values={tmp_path / 'values.yaml'}")

    service, gateway = (
        environment(found, name) for name in ("registry-admission", "registry-gateway")
    )
    assert service["REGISTRY_ADMISSION_MAX_BODY_BYTES"] == "16777216"
    assert service["REGISTRY_ADMISSION_REVIEW_TIMEOUT"] == "1.5"
    assert gateway["REGISTRY_ADMISSION_MAX_UPLOADS"] == "2000000"


def test_the_page_has_the_name_of_the_cluster_and_of_its_documentation(cluster: Cluster) -> None:
    chosen = {"page": True, "clusterName": "prod", "docsUrl": "https://docs.example.com/r"}

    found = environment(rendered(cluster, values(image=IMAGE, **chosen)), "registry-admission")

    assert found["REGISTRY_ADMISSION_CLUSTER_NAME"] == "prod"
    assert found["REGISTRY_ADMISSION_DOCS_URL"] == "https://docs.example.com/r"


def test_a_setting_that_is_a_file_is_mounted_from_a_secret_or_config_map(cluster: Cluster) -> None:
    files = {"registry-ca": {"configMap": "registry-ca", "key": "ca.crt"}}
    more = {"enabled": True, "files": {"upstream-auth": {"secret": "pull", "key": "auth"}}}

    found = rendered(cluster, values(image=IMAGE, files=files, gateway=more))

    for deployment, setting, path, source in (
        ("registry-admission", "registry-ca", "ca.crt", {"configMap": {"name": "registry-ca"}}),
        ("registry-gateway", "upstream-auth", "auth", {"secret": {"secretName": "pull"}}),
    ):
        folder = f"/etc/registry-admission/{setting}"
        variable = f"REGISTRY_ADMISSION_{setting.upper().replace('-', '_')}"
        assert environment(found, deployment)[variable] == f"{folder}/{path}"
        pod = pod_of(found, deployment)
        assert {"name": setting, **source} in pod["volumes"]
        mount = {"name": setting, "mountPath": folder, "readOnly": True}
        assert mount in pod["containers"][0]["volumeMounts"]


def test_resources_replace_those_of_the_manifests(cluster: Cluster) -> None:
    more = {"limits": {"memory": "2Gi"}}

    found = rendered(cluster, values(image=IMAGE, resources=more, gateway={"enabled": True}))

    limits = {
        name: pod_of(found, name)["containers"][0]["resources"]["limits"]["memory"]
        for name in ("registry-admission", "registry-gateway")
    }
    assert limits == {"registry-admission": "2Gi", "registry-gateway": "1Gi"}


def pod_of(manifests: list[Manifest], deployment: str) -> dict[str, Any]:
    [spec] = [
        one["spec"]["template"]["spec"]
        for one in manifests
        if (one["kind"], one["metadata"]["name"]) == ("Deployment", deployment)
    ]
    return dict(spec)


def test_a_registry_of_a_public_authority_needs_no_config_map(cluster: Cluster) -> None:
    gateway = {"enabled": True, "upstream": "https://ghcr.io", "registryCA": False}

    found = rendered(cluster, values(image=IMAGE, gateway=gateway))

    assert "REGISTRY_ADMISSION_UPSTREAM_CA" not in environment(found, "registry-gateway")
    assert "registry-gateway-ca" not in yaml.safe_dump_all(found)
    assert "registry-ca" not in yaml.safe_dump_all(found)


def test_the_template_for_new_namespaces_is_a_value(cluster: Cluster) -> None:
    limits = "{apiVersion: v1, kind: LimitRange, metadata: {name: alauda.io}}"
    chosen = {"controllers": ["namespace-limits"], "namespaceTemplate": limits}

    found = rendered(cluster, values(image=IMAGE, domain="openshift.io", **chosen))

    named = [one for one in found if one["metadata"]["name"] == namespace_limits.TEMPLATE]
    data = {one["kind"]: one.get("data") for one in named}
    assert data == {
        "ClusterRole": None,
        "ClusterRoleBinding": None,
        "ConfigMap": {"limits.yaml": limits},
    }


def test_fields_of_pods_are_those_of_every_pod(cluster: Cluster) -> None:
    more = {"imagePullSecrets": [{"name": "pull"}], "nodeSelector": {"zone": "a"}}
    on = {"gateway": {"enabled": True}, "policyReports": {"enabled": True, "schedule": "@daily"}}

    found = rendered(cluster, values(image=IMAGE, pod=more, **on))

    plain = rendered(cluster, values(image=IMAGE, **on))
    assert [pod | more for pod in pods(plain)] == pods(found)
    assert len(pods(found)) == 3


def pods(manifests: list[Manifest]) -> list[dict[str, Any]]:
    specs = [one["spec"] for one in manifests if one["kind"] in ("Deployment", "CronJob")]
    return [spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"] for spec in specs]


def test_settings_are_variables_of_the_service_alone(cluster: Cluster) -> None:
    chosen = {"page": True, "settings": {"unknown-size": "warn"}, "replicas": 5}

    found = rendered(cluster, values(image=IMAGE, gateway={"enabled": True}, **chosen))

    plain = rendered(cluster, values(image=IMAGE, gateway={"enabled": True}))
    [service, gateway] = sorted(
        (one for one in found if one["kind"] == "Deployment"),
        key=lambda one: str(one["metadata"]["name"]),
    )
    assert service["spec"]["replicas"] == 5
    assert service["spec"]["template"]["spec"]["containers"][0]["env"][-2:] == [
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
        {"image": IMAGE, "namespaceTemplate": "{}"},
        {"image": IMAGE, "callers": [{"cidr": "192.0.2.0/24"}]},
        {"image": IMAGE, "pod": {"containers": []}},
        {"image": IMAGE, "policyReports": {"schedule": "hourly"}},
        {"image": IMAGE, "gateway": {"settings": {"max_uploads": 1}}},
        {"image": IMAGE, "settings": {"unknown-sizes": "warn"}},
        {"image": IMAGE, "settings": {"registry-ca": "/ca.crt"}},
        {"image": IMAGE, "files": {"registry-ca": {"key": "ca.crt"}}},
        {"image": IMAGE, "docsUrl": "docs.example.com"},
        {"image": IMAGE, "gateway": {"files": {"page-tokens": {"secret": "a", "key": "b"}}}},
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
