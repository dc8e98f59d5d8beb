"""The namespaces and the API domain of an installation replace those of the manifests."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.install import kustomization
from tests.unit.manifests import EVERYTHING, all_webhooks, leaves, manifests, only


def test_service_namespace_is_replaced_everywhere() -> None:
    moved = manifests(namespace="platform", **EVERYTHING)

    homes = {one["metadata"].get("namespace", "platform") for one in moved}
    assert homes == {"platform", "image-registry-system"}
    assert moved[0]["metadata"]["name"] == "platform"
    subjects = [subject for one in moved for subject in one.get("subjects", [])]
    assert {one["namespace"] for one in subjects} == {"platform"}


def test_api_domain_is_replaced_everywhere() -> None:
    texts = list(leaves(manifests(api_domain="openshift.io", **EVERYTHING)))

    assert [text for text in texts if "alauda.io" in text] == []
    assert "image.openshift.io" in texts


def test_openshift_chooses_the_ids_of_the_pod() -> None:
    def context(domain: str) -> dict[str, Any]:
        pod = only("Deployment", api_domain=domain)["spec"]["template"]["spec"]
        found: dict[str, Any] = pod["securityContext"]
        return found

    texts = yaml.safe_dump_all(manifests(api_domain="openshift.io", **EVERYTHING))
    assert "runAs" in texts
    assert "65532" not in texts, "a Job's Pod is one as well"
    ids = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    assert context("alauda.io") == context("openshift.io") | ids
    assert context("openshift.io")["runAsNonRoot"] is True


def test_openshifts_own_namespaces_do_not_wait_for_the_service() -> None:
    waiting = [
        webhook
        for webhook in all_webhooks(api_domain="openshift.io")
        if webhook["failurePolicy"] == "Fail" and webhook["rules"][0]["scope"] == "Namespaced"
    ]
    assert [webhook["name"].partition(".")[0] for webhook in waiting] == ["pushes", "limits"]
    for webhook in waiting:
        conditions = {one["name"]: one["expression"] for one in webhook["matchConditions"]}
        assert conditions["outside-the-platform"] == (
            "request.namespace != 'openshift' && !request.namespace.startsWith('openshift-')"
        )


def test_registry_namespace_is_replaced_everywhere() -> None:
    texts = list(leaves(manifests(registry_namespace="openshift-image-registry", **EVERYTHING)))

    assert "image-registry-system" not in " ".join(texts)
    # two webhooks' selectors, the service's setting, two Roles and their bindings
    assert texts.count("openshift-image-registry") == 7


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("image", "registry-admission"),
        ("image", "alauda.io/image-registry-system/registry-admission:1"),
        ("namespace", "image-registry-system"),
        ("namespace", "alauda"),
        ("namespace", "restricted"),
        ("registry_namespace", "registry-admission"),
        ("registry_namespace", "image-registry-system-2"),
    ],
)
def test_name_that_contains_a_word_of_the_manifests_changes_only_its_fields(
    option: str, value: str
) -> None:
    rest = {"api_domain": "openshift.io", **EVERYTHING}

    found = list(leaves(manifests(**{**rest, option: value})))

    placed = leaves(manifests(**{**rest, option: "placeholder"}))
    assert found == [value if text == "placeholder" else text for text in placed]


def test_text_that_mentions_a_replaced_word_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "registry-admission for alauda.io, beside image-registry-system"
    build = kustomization.build

    def described(*folders: Path) -> list[kustomization.Manifest]:
        return [
            {**one, "metadata": {**one["metadata"], "annotations": {"namespace": text}}}
            for one in build(*folders)
        ]

    monkeypatch.setattr(kustomization, "build", described)
    moved = manifests(namespace="platform", api_domain="openshift.io", **EVERYTHING)

    assert {one["metadata"]["annotations"]["namespace"] for one in moved} == {text}


def test_openshift_has_its_own_registry_namespace() -> None:
    assert manifests(api_domain="openshift.io") == manifests(
        api_domain="openshift.io", registry_namespace="openshift-image-registry"
    )
