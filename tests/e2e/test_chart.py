"""The Helm chart renders the objects of kustomize, and installs and upgrades them on a cluster."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.install.kustomization import Manifest

from . import commands, overlays
from .cluster import Cluster
from .helm import CHART, IMAGE, RELEASE, helm, rendered, values
from .overlays import CONFIGURATIONS, MANIFESTS, NAMESPACE, kustomize

pytestmark = pytest.mark.e2e

CA = "Y2E="


@pytest.fixture
def release(cluster: Cluster) -> Iterator[str]:
    """A namespace for a release, in a cluster without leftovers of other tests."""
    commands.run(cluster, "uninstall", "--yes", "--delete-namespace")
    cluster.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=120s")
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    helm(cluster, "uninstall", RELEASE, "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "namespace", NAMESPACE, timeout=120)


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
            assert container["image"] in (overlays.IMAGE, IMAGE)
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
        (
            {
                "callers": [
                    {"ipBlock": {"cidr": "192.0.2.0/24"}},
                    {
                        "namespaceSelector": {
                            "matchExpressions": [
                                {
                                    "key": "kubernetes.io/metadata.name",
                                    "operator": "In",
                                    "values": [
                                        "image-registry-system",
                                        "kube-system",
                                        "monitoring",
                                    ],
                                }
                            ]
                        }
                    },
                ]
            },
            "self-signed",
            ["components/known-callers"],
        ),
        ({"domain": "openshift.io"}, "self-signed", ["components/openshift"]),
        (
            {
                "domain": "openshift.io",
                "gateway": {"enabled": True},
                "policyReports": {"enabled": True},
                "monitoring": {"enabled": True},
                "controllers": ["namespace-limits"],
            },
            "self-signed",
            [
                "components/namespace-limits",
                "components/gateway",
                "components/policy-reports",
                "monitoring",
                "components/openshift",
            ],
        ),
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
def test_the_chart_renders_the_objects_of_kustomize(
    cluster: Cluster,
    tmp_path: Path,
    chosen: dict[str, Any],
    overlay: str,
    components: list[str],
) -> None:
    expected = by_name(built(cluster, tmp_path, overlay, *components))

    found = by_name(rendered(cluster, values(image=IMAGE, **chosen)))

    assert found == expected


def test_a_gateway_before_a_registry_without_streams_has_its_limits(
    cluster: Cluster, tmp_path: Path
) -> None:
    limits = yaml.safe_dump({"kind": "LimitRange", "metadata": {"name": "alauda.io"}})
    chosen = {"gateway": {"enabled": True, "limits": limits}, "domain": "openshift.io"}
    components = ("components/gateway", "components/gateway/plain", "components/openshift")
    expected = by_name(built(cluster, tmp_path, "self-signed", *components))

    found = by_name(rendered(cluster, values(image=IMAGE, **chosen)))

    config_map = found.pop(("ConfigMap", NAMESPACE, "registry-gateway-limits"))
    assert config_map["data"] == {"limits.yaml": limits}
    assert found == expected


def test_every_component_and_overlay_is_a_value() -> None:
    templates = (CHART / "templates" / "manifests.yaml").read_text()
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    by_value = {
        *schema["controllers"]["items"]["enum"],
        # `callers`; the OKD of `domain`, whose other words are replaced; `highAvailability`.
        *("known-callers", "openshift", "ha"),
    }
    for kind in ("components", "overlays"):
        for folder in (MANIFESTS / kind).iterdir():
            assert f'"{kind}/{folder.name}"' in templates or folder.name in by_value, folder


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


def test_install_upgrade_and_rollback_keep_objects_of_the_service(
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

    def parts() -> set[str]:
        kinds = "deployments,cronjobs,configmaps"
        names = cluster.kubectl("get", kinds, f"--namespace={release}", "--output=name").stdout
        return set(names.split())

    before = parts()
    more = {part: {"enabled": True} for part in ("gateway", "policyReports")}
    helm(cluster, "upgrade", RELEASE, str(CHART), values(image=IMAGE, replicas=5, **more))
    assert (replicas(), bundles()) == (5, {CA})
    assert parts() - before == {
        "deployment.apps/registry-gateway",
        "cronjob.batch/registry-admission-policy-reports",
    }
    helm(cluster, "rollback", RELEASE, "1")
    assert (replicas(), bundles(), parts()) == (3, {CA}, before)

    helm(cluster, "uninstall", RELEASE, "--wait")
    kinds = "deployments,services,roles,rolebindings,networkpolicies,poddisruptionbudgets"
    left = cluster.kubectl("get", kinds, f"--namespace={release}", "--output=name").stdout
    assert left == ""
    for configuration in CONFIGURATIONS:
        assert cluster.kubectl("get", configuration, "--output=name").stdout == ""
