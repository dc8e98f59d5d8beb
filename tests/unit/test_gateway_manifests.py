"""The objects of the gateway's components."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.cli.gateway import gateway
from app.cluster import heartbeat
from app.config.shared_settings import ENV_PREFIX
from app.gateway.settings import GatewaySettings
from tests.unit.manifests import manifests

FOLDER = Path(__file__).parents[2] / "manifests/components/gateway"
LABELS = {"app.kubernetes.io/name": "registry-gateway"}


def objects(folder: Path = FOLDER) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of a kustomization's own files, by kind and name."""
    resources = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    found = [one for name in resources for one in yaml.safe_load_all((folder / name).read_text())]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def values(patches: list[dict[str, Any]], end: str) -> list[Any]:
    """The values that a JSON patch sets at paths with this end."""
    return [one["value"] for one in patches if one["path"].endswith(end)]


def pod() -> dict[str, Any]:
    deployment = yaml.safe_load((FOLDER / "deployment.yaml").read_text())
    template: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return template


def test_component_has_every_object_of_a_gateway() -> None:
    kinds = [kind for kind, _ in objects()]

    assert sorted(kinds) == [
        "ClusterRole", "ClusterRoleBinding", "Deployment", "NetworkPolicy", "PodDisruptionBudget",
        "Role", "RoleBinding", "Service", "ServiceAccount",
    ]  # fmt: skip
    for found in objects().values():
        assert found["metadata"]["labels"] == LABELS


def test_the_environment_of_the_pod_makes_valid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = pod()["containers"]
    for variable in container["env"]:
        if variable["name"].startswith(ENV_PREFIX):
            assert variable["name"].removeprefix(ENV_PREFIX).lower() in GatewaySettings.model_fields
            monkeypatch.setenv(variable["name"], variable["value"])

    settings = GatewaySettings()

    assert [port["containerPort"] for port in container["ports"]] == [settings.port]
    grace = pod()["terminationGracePeriodSeconds"]
    assert grace > settings.shutdown_delay + settings.shutdown_timeout
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(settings.upstream_ca and settings.upstream_ca.parent) in mounts


def test_selectors_match_the_pods_of_the_gateway() -> None:
    found = objects()
    deployment = found["Deployment", "registry-gateway"]["spec"]

    assert deployment["template"]["metadata"]["labels"] == LABELS
    assert deployment["selector"]["matchLabels"] == LABELS
    assert found["Service", "registry-gateway"]["spec"]["selector"] == LABELS
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        spec = found[kind, "registry-gateway"]["spec"]
        assert spec.get("podSelector", spec.get("selector"))["matchLabels"] == LABELS


def test_gateway_may_write_only_ledgers_and_the_heartbeat() -> None:
    written = {
        (kind, resource, *rule.get("resourceNames", []))
        for (kind, _), found in objects().items()
        for rule in found.get("rules", [])
        for resource in rule["resources"]
        if set(rule["verbs"]) - {"get", "list", "watch"}
    }

    assert written == {
        ("Role", "configmaps"),
        ("Role", "imagestreams"),
        ("Role", "imagestreams", heartbeat.NAME),
    }


def rights(found: Iterable[dict[str, Any]]) -> set[tuple[str, ...]]:
    """(kind of the role, API group, resource, its name or "", verb)"""
    return {
        (role["kind"], group, resource, name, verb)
        for role in found
        if role["kind"] in ("ClusterRole", "Role")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def test_gateway_may_do_nothing_that_the_webhook_may_not() -> None:
    """`tests/e2e/test_permissions.py` proves that the webhook uses each of its rights."""
    assert rights(objects().values()) <= rights(manifests())


def test_plain_component_mounts_limits_and_database() -> None:
    plain = FOLDER / "plain"
    patches = yaml.safe_load((plain / "deployment.yaml").read_text())
    [(command, *flags)] = values(patches, "/args")
    context = gateway.make_context(
        command, [*flags, "--upstream", "http://r"], resilient_parsing=True
    )
    given = {name: str(context.params[name]) for name in ("state", "database")}

    assert given == {"state": "/limits", "database": "/data/gateway.db"}
    assert {one["mountPath"] for one in values(patches, "/volumeMounts/-")} == {"/limits", "/data"}
    claim = objects(plain)["PersistentVolumeClaim", "registry-gateway"]
    volumes = {one["name"]: one for one in values(patches, "/volumes/-")}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_gateway_reaches_every_api_server_that_the_webhook_reaches_and_its_registry() -> None:
    webhook = yaml.safe_load((FOLDER / "../../base/network-policy.yaml").read_text())
    [container] = pod()["containers"]
    environment = {one["name"]: one.get("value", "") for one in container["env"]}
    registry = httpx.URL(environment[f"{ENV_PREFIX}UPSTREAM"])

    ports = egress_ports(objects()["NetworkPolicy", "registry-gateway"])

    assert ports == egress_ports(webhook)
    assert registry.port in ports


def egress_ports(policy: dict[str, Any]) -> set[int]:
    return {one["port"] for rule in policy["spec"]["egress"] for one in rule["ports"]}


@pytest.mark.parametrize("example", ["ingress", "gateway-api"])
def test_examples_name_the_service(example: str) -> None:
    found = yaml.safe_load((FOLDER / f"examples/{example}.yaml").read_text())
    service = objects()["Service", "registry-gateway"]

    assert found["metadata"]["namespace"] == service["metadata"]["namespace"]
    assert f"name: {service['metadata']['name']}" in yaml.safe_dump(found)


def test_network_policy_allows_only_the_gateway() -> None:
    found = yaml.safe_load((FOLDER / "examples/registry-network-policy.yaml").read_text())
    [rule] = found["spec"]["ingress"]
    [source] = rule["from"]

    [expression] = source["podSelector"]["matchExpressions"]
    assert expression["values"] == ["registry-gateway", "registry-admission"]
    assert found["spec"]["policyTypes"] == ["Ingress"]
