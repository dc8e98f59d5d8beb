"""The objects of an installation."""

from pathlib import Path

import pytest

from app.admission.kinds import KINDS
from app.certs import cluster
from app.cluster import heartbeat
from app.config.settings import Settings
from app.config.shared_settings import ENV_PREFIX
from app.install import kustomization
from app.model import credentials
from app.model.domain import ApiDomain
from tests.unit.manifests import all_webhooks, manifests, only

MANIFESTS = Path(__file__).parents[2] / "manifests"


def test_no_manifest_names_an_image_that_strangers_could_publish() -> None:
    """A short name is pulled from a public registry. No host of `.invalid` exists (RFC 2606)."""
    files = [one for one in MANIFESTS.rglob("*.yaml") if "chart" not in one.parts]
    images = {
        line.split("image:")[1].strip()
        for file in files
        for line in file.read_text().splitlines()
        if line.strip().startswith("image:")
    }

    assert images == {"set-your-own.invalid/registry-admission"}


@pytest.mark.parametrize(
    ("webhook", "failure_policy", "side_effects", "resources"),
    [
        ("pushes", "Fail", "NoneOnDryRun", {
            "image.alauda.io/imagestreams", "image.alauda.io/imagestreams/status",
            "image.alauda.io/imagestreammappings", "image.alauda.io/imagestreamtags",
            "image.alauda.io/imagetags", "image.alauda.io/imagestreamimports",
        }),
        ("images", "Fail", "None", {"image.alauda.io/images"}),
        ("limits", "Fail", "None", {"/limitranges", "/resourcequotas"}),
        ("configmaps", "Ignore", "None", {"/configmaps"}),
        ("registry", "Ignore", "None", {
            "imageregistry.operator.alauda.io/configs",
            "imageregistry.operator.alauda.io/imagepruners",
        }),
        ("credentials", "Ignore", "None", {"/secrets"}),
        ("claims", "Ignore", "None", {"/persistentvolumeclaims"}),
        ("registry-defaults", "Ignore", "None", {"imageregistry.operator.alauda.io/configs"}),
    ],
)  # fmt: skip
def test_rules_and_failure_policy_of_each_webhook(
    webhook: str, failure_policy: str, side_effects: str, resources: set[str]
) -> None:
    [found] = [
        one for one in all_webhooks() if one["name"] == f"{webhook}.registry-admission.alauda.io"
    ]
    [rule, *at_deletion] = found["rules"]

    assert (found["failurePolicy"], found["sideEffects"]) == (failure_policy, side_effects)
    assert {f"{group}/{name}" for group in rule["apiGroups"] for name in rule["resources"]} == (
        resources
    )
    assert rule["operations"] == (["DELETE"] if webhook == "claims" else ["CREATE", "UPDATE"])
    assert [(one["operations"], one["resources"]) for one in at_deletion] == (
        [(["DELETE"], ["configs"])] if webhook == "registry" else []
    )


def test_webhooks_ask_about_exactly_the_deletions_that_are_decided() -> None:
    asked = {
        (group, resource)
        for webhook in all_webhooks()
        for rule in webhook["rules"]
        if "DELETE" in rule["operations"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert asked == {
        (kind.group.of(ApiDomain()), kind.resource) for kind in KINDS if kind.at_deletion
    }


def test_webhooks_ask_about_exactly_the_kinds_that_are_decided() -> None:
    asked = {
        (webhook["clientConfig"]["service"]["path"], group, resource.partition("/")[0])
        for webhook in all_webhooks()
        for rule in webhook["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    decided = {
        (path, kind.group.of(ApiDomain()), kind.resource)
        for kind in KINDS
        for path, handler in (
            ("/validate", kind.decide or kind.at_deletion),
            ("/mutate", kind.fill_in),
        )
        if handler is not None
    }

    # The component of pull secrets brings the webhook for ServiceAccounts.
    assert asked == decided - {("/mutate", "", "serviceaccounts")}


def test_scopes_of_webhooks_are_those_of_the_kinds() -> None:
    namespaced = {kind.resource: kind.namespaced for kind in KINDS}
    for webhook in all_webhooks():
        for rule in webhook["rules"]:
            for resource in rule["resources"]:
                scope = "Namespaced" if namespaced[resource.partition("/")[0]] else "Cluster"
                assert rule["scope"] == scope


def test_there_are_no_other_webhooks() -> None:
    assert len({webhook["name"] for webhook in all_webhooks()}) == len(all_webhooks()) == 8


@pytest.mark.parametrize("namespace", ["registry-admission", "platform"])
def test_webhooks_exclude_kube_system_and_the_service(namespace: str) -> None:
    expected = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", namespace],
    }
    registry = {**expected, "operator": "In", "values": ["image-registry-system"]}
    for webhook in all_webhooks(namespace=namespace):
        [found] = webhook["namespaceSelector"]["matchExpressions"]
        in_registry = webhook["name"].startswith(("credentials.", "claims."))
        assert found == (registry if in_registry else expected)
        assert webhook["clientConfig"]["service"]["namespace"] == namespace
        assert 1 <= webhook["timeoutSeconds"] <= 10


def test_the_environment_of_the_pod_makes_valid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = only("Deployment", api_domain="openshift.io")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    for variable in container["env"]:
        name = variable["name"].removeprefix(ENV_PREFIX).lower()
        if variable["name"].startswith(ENV_PREFIX):
            assert name in Settings.model_fields
            monkeypatch.setenv(variable["name"], variable["value"])
    monkeypatch.setenv("POD_NAMESPACE", "platform")

    settings = Settings()

    assert (settings.host, settings.api_domain) == ("0.0.0.0", "openshift.io")
    assert settings.namespace == "platform"
    assert [port["containerPort"] for port in container["ports"]] == [settings.port]
    grace = pod["terminationGracePeriodSeconds"]
    assert grace > settings.shutdown_delay + settings.shutdown_timeout


def test_service_environment_does_not_change_settings() -> None:
    """Kubernetes would set REGISTRY_ADMISSION_PORT to the Service's URL."""
    assert only("Deployment")["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_role_names_match_the_code() -> None:
    named = {
        (resource, name)
        for manifest in manifests()
        for rule in manifest.get("rules", [])
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [])
    }
    assert named == {
        ("imagestreams", heartbeat.NAME),
        ("secrets", cluster.NAME),
        ("secrets", credentials.SECRET),
        ("leases", "registry-admission"),
        ("validatingwebhookconfigurations", "registry-admission"),
        ("mutatingwebhookconfigurations", "registry-admission"),
    }


def test_manifests_have_no_duplicate_objects() -> None:
    keys = [(one["kind"], one["metadata"]["name"]) for one in manifests()]

    assert len(keys) == len(set(keys))


def test_the_namespace_is_first_and_the_webhooks_are_last() -> None:
    kinds = [manifest["kind"] for manifest in manifests()]

    assert kinds[0] == "Namespace"
    assert kinds[-2:] == ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]


def test_only_one_secret_is_sent_to_the_webhook() -> None:
    [webhook] = [one for one in all_webhooks() if one["name"].startswith("credentials.")]

    assert f"== '{credentials.SECRET}'" in webhook["matchConditions"][0]["expression"]


def test_image_and_replicas_are_set() -> None:
    spec = only("Deployment", image="registry.example.com/ra:1", replicas=5)["spec"]

    assert spec["replicas"] == 5
    assert spec["template"]["spec"]["containers"][0]["image"] == "registry.example.com/ra:1"


def test_known_callers_alone_may_connect_with_their_component() -> None:
    built = kustomization.build(MANIFESTS / "base", MANIFESTS / "components" / "known-callers")
    [policy] = [manifest for manifest in built if manifest["kind"] == "NetworkPolicy"]

    [rule] = policy["spec"]["ingress"]
    assert [set(peer) for peer in rule["from"]] == [{"ipBlock"}, {"namespaceSelector"}]
    assert rule["ports"] == [{"protocol": "TCP", "port": "https"}]
