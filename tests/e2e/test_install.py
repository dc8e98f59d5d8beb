"""`install` and `uninstall` on a real API server, and the rights of the installed service."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.certs import files, trust
from app.certs.cluster import service_names
from app.cli.main import main
from app.cluster.api import ApiError
from app.cluster.connection import connected

from .cluster import Cluster
from .domain import DOMAIN, REGISTRY
from .overlays import CONFIGURATIONS, NAMESPACE, apply, certify, overlay

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("no_webhooks_left")]

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:registry-admission"
IMAGE = "set-your-own.invalid/registry-admission"
"""The image of the manifests, so that applying the manifests as well causes no conflict."""
IN_REGISTRY = f"--namespace={REGISTRY}"


def run(cluster: Cluster, *arguments: str) -> Result:
    apply = ["--apply"] if arguments[0] == "install" else []
    options = [*apply, "--kubeconfig", str(cluster.kubeconfig)]
    return CliRunner().invoke(main, [*arguments, *options])


def install(cluster: Cluster, *options: str) -> None:
    installed = run(cluster, "install", "--image", IMAGE, *options)
    assert installed.exit_code == 0, installed.output


def configurations(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        json.loads(cluster.kubectl("get", resource, NAMESPACE, "--output=json").stdout)
        for resource in CONFIGURATIONS
    ]


async def test_service_account_can_manage_certificates(cluster: Cluster, tmp_path: Path) -> None:
    await asyncio.to_thread(install, cluster)
    before = configurations(cluster)
    kubeconfig = cluster.account_kubeconfig(
        tmp_path / "kubeconfig", NAMESPACE, "registry-admission"
    )
    async with connected(kubeconfig, None) as api:
        certificates = await certify(api, tmp_path)
        with pytest.raises(ApiError, match="is forbidden"):
            await api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets")

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
    served = (tmp_path / files.CERTIFICATE).read_bytes()
    assert trust.missing_names(served, service_names(NAMESPACE, NAMESPACE)) == []

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
        ("watch", [f"imagestreams.image.{DOMAIN}", "--all-namespaces"], True),
        ("get", [f"images.image.{DOMAIN}"], True),
        ("patch", ["resourcequotas", "--subresource=status", "--namespace=default"], True),
        ("create", ["events", "--namespace=default"], True),
        ("create", ["tokenreviews.authentication.k8s.io"], True),
        ("create", ["subjectaccessreviews.authorization.k8s.io"], True),
        ("delete", ["configmaps", f"--namespace={NAMESPACE}"], True),
        ("patch", ["leases/registry-admission", f"--namespace={NAMESPACE}"], True),
        ("patch", [f"imagestreams.image.{DOMAIN}/registry-admission-heartbeat",
                   f"--namespace={NAMESPACE}"], True),
        ("update", ["secrets/registry-admission-tls", f"--namespace={NAMESPACE}"], True),
        ("patch", ["validatingwebhookconfigurations/registry-admission"], True),
        ("get", ["storageclasses/any"], True),
        ("get", ["persistentvolumeclaims/any", IN_REGISTRY], True),
        ("get", ["configmaps/any", IN_REGISTRY], True),
        ("get", ["secrets/image-registry-private-configuration-user", IN_REGISTRY], True),
        ("get", ["secrets/image-registry-private-configuration", IN_REGISTRY], False),
        ("patch", ["secrets/image-registry-private-configuration-user", IN_REGISTRY], False),
        ("list", ["secrets", IN_REGISTRY], False),
        ("list", ["persistentvolumeclaims", IN_REGISTRY], False),
        ("update", ["configmaps/any", IN_REGISTRY], False),
        ("get", ["persistentvolumeclaims/any", "--namespace=default"], False),
        ("list", ["storageclasses"], False),
        ("patch", ["validatingwebhookconfigurations/another"], False),
        ("create", ["mutatingwebhookconfigurations"], False),
        ("get", ["secrets/another", f"--namespace={NAMESPACE}"], False),
        ("get", ["secrets", "--namespace=default"], False),
        ("get", ["configmaps", "--namespace=default"], False),
        ("update", ["resourcequotas", "--namespace=default"], False),
        ("patch", [f"imagestreams.image.{DOMAIN}", "--namespace=default"], False),
        ("update", ["leases/another", f"--namespace={NAMESPACE}"], False),
        ("create", ["pods", f"--namespace={NAMESPACE}"], False),
    ],
)  # fmt: skip
def test_rights_of_the_service_account(
    cluster: Cluster, verb: str, target: list[str], allowed: bool
) -> None:
    apply(cluster, overlay(cluster, "self-signed"))

    answer = cluster.kubectl("auth", "can-i", verb, *target, f"--as={ACCOUNT}", check=False)

    assert answer.stdout.strip() == ("yes" if allowed else "no"), answer.stderr


def test_own_certificate_needs_no_right_on_secrets(cluster: Cluster, tmp_path: Path) -> None:
    run(cluster, "uninstall", "--yes")
    files.make(tmp_path, service_names(NAMESPACE, NAMESPACE))

    install(cluster, "--tls-dir", str(tmp_path))

    for resource in ("secrets/registry-admission-tls", "secrets"):
        answer = cluster.kubectl(
            "auth", "can-i", "get", resource, f"--namespace={NAMESPACE}", f"--as={ACCOUNT}",
            check=False,
        )  # fmt: skip
        assert answer.stdout.strip() == "no"


def test_uninstall_removes_the_objects_of_install(cluster: Cluster) -> None:
    namespace = "other-admission"
    options = ("--service-namespace", namespace)
    selector = "--selector=app.kubernetes.io/name=registry-admission"
    kinds = (
        "namespaces,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,"
        "services,deployments,poddisruptionbudgets,networkpolicies,"
        f"{','.join(CONFIGURATIONS)}"
    )

    def present() -> list[str]:
        listed = ("get", kinds, f"--namespace={namespace}", selector, "--output=name")
        return cluster.kubectl(*listed).stdout.split()

    run(cluster, "uninstall", "--yes")
    before = present()
    install(cluster, *options)
    assert len(present()) - len(before) == 16

    removed = run(cluster, "uninstall", "--yes", *options, "--delete-namespace")
    assert removed.exit_code == 0, removed.output
    cluster.kubectl("wait", "--for=delete", f"namespace/{namespace}", "--timeout=120s")
    assert present() == before


def test_install_before_the_registry_works(cluster: Cluster) -> None:
    options = ("--service-namespace", "early-admission", "--registry-namespace", "late-registry")
    of_the_role = ("get", "role,rolebinding", "--namespace=late-registry", "--output=name")

    early = run(cluster, "install", "--image", IMAGE, *options)
    cluster.kubectl("create", "namespace", "late-registry")
    late = run(cluster, "install", "--image", IMAGE, *options)
    installed = cluster.kubectl(*of_the_role).stdout.split()
    run(cluster, "uninstall", "--yes", *options, "--delete-namespace")
    left = cluster.kubectl(*of_the_role).stdout
    cluster.kubectl("delete", "namespace", "late-registry", "--wait=false")

    assert (early.exit_code, late.exit_code) == (0, 0)
    assert early.output.count("left out: no namespace late-registry") == 2
    assert "left out" not in late.output
    assert len(installed) == 2
    assert left == ""


def test_a_refusal_of_the_api_server_is_shown(cluster: Cluster, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig, "nobody's token")

    answer = CliRunner().invoke(
        main, ["install", "--image", IMAGE, "--apply", "--kubeconfig", str(kubeconfig)]
    )

    assert answer.exit_code == 3
    assert "PATCH /api/v1/namespaces/registry-admission: Unauthorized" in answer.output
