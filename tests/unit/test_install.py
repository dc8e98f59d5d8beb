"""`install` and `uninstall`, up to the API server."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app.certs import files
from app.cli.main import main
from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.config.setting_types import CONTROLLERS
from app.install import installing, kustomization
from app.model.domain import ApiDomain
from tests.unit.manifests import all_webhooks, manifests, only

EVERYTHING = len(manifests(controllers=CONTROLLERS, policy_reports=True)) - 1 + 6
"""The number of objects that `uninstall` tries to delete, without the namespace. It tries two Roles
and their bindings in two namespaces, one for each API domain, and one Role and its binding in
openshift-config."""
SERVICE_NAME = "registry-admission.registry-admission.svc"


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    files.make(tmp_path / "tls", [SERVICE_NAME])
    return tmp_path / "tls"


def test_a_certificate_is_mounted_and_its_ca_trusted(tls: Path) -> None:
    own = installing.read_certificate(tls, "registry-admission")

    secret = only("Secret", "registry-admission-tls", certificate=own)
    content = {name: b64decode(text) for name, text in secret["data"].items()}
    assert content == {name: (tls / name).read_bytes() for name in ("tls.crt", "tls.key", "ca.crt")}
    for webhook in all_webhooks(certificate=own):
        assert b64decode(webhook["clientConfig"]["caBundle"]) == content["ca.crt"]
    container = only("Deployment", certificate=own)["spec"]["template"]["spec"]["containers"][0]
    [mounted] = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "tls"]
    assert {"name": "REGISTRY_ADMISSION_TLS_DIR", "value": mounted} in container["env"]
    names = {one["metadata"]["name"] for one in manifests(certificate=own)}
    assert "registry-admission-certificates" not in names


def test_a_certificate_for_another_name_is_refused(tls: Path) -> None:
    with pytest.raises(
        files.CertificateError, match=r"is not for registry-admission\.x\.svc.*make"
    ):
        installing.read_certificate(tls, "x")


@pytest.mark.parametrize("days", [-9000, 9000], ids=["expired", "made by a wrong clock"])
def test_a_certificate_that_is_not_valid_now_is_refused(tmp_path: Path, days: int) -> None:
    files.make(tmp_path, [SERVICE_NAME], datetime.now(UTC) + timedelta(days=days))

    with pytest.raises(files.CertificateError, match=r"tls\.crt is not valid at this time.*make"):
        installing.read_certificate(tmp_path, "registry-admission")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot read .*ca.crt: .*; bring the CA that signed tls.crt"),
        (b"?", "ca.crt: the certificate cannot be read; bring it as PEM"),
    ],
    ids=["missing", "broken"],
)
def test_a_ca_that_cannot_be_read_is_named(tls: Path, content: bytes | None, problem: str) -> None:
    (tls / "ca.crt").unlink()
    if content is not None:
        (tls / "ca.crt").write_bytes(content)

    with pytest.raises(files.CertificateError, match=problem):
        installing.read_certificate(tls, "registry-admission")


def test_a_certificate_of_another_ca_is_refused(tls: Path, tmp_path: Path) -> None:
    files.make(tmp_path / "other", [SERVICE_NAME])
    (tmp_path / "other" / "ca.crt").replace(tls / "ca.crt")

    with pytest.raises(files.CertificateError, match=r"tls\.crt is not signed by .*; bring"):
        installing.read_certificate(tls, "registry-admission")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_install_prints_the_objects_that_it_would_apply(tls: Path) -> None:
    options = ("--image", "i:1", "--service-namespace", "platform", "--replicas", "2")

    answer = run("install", *options, "--api-domain", "openshift.io")

    assert answer.exit_code == 0
    assert list(yaml.safe_load_all(answer.output)) == manifests(
        namespace="platform", image="i:1", replicas=2, api_domain="openshift.io"
    )


def test_the_ca_bundle_of_okd_may_be_read() -> None:
    role = only("Role", "registry-admission-trusted-ca", api_domain="openshift.io")
    binding = only("RoleBinding", "registry-admission-trusted-ca", api_domain="openshift.io")

    assert role["metadata"]["namespace"] == ApiDomain("openshift.io").config_namespace
    assert role["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    assert binding["metadata"]["namespace"] == role["metadata"]["namespace"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "registry-admission", "namespace": "registry-admission"}
    ]


def test_uninstall_prints_the_webhooks_first_and_spares_the_namespace() -> None:
    printed = list(
        yaml.safe_load_all(run("uninstall", "--dry-run", "--service-namespace", "platform").output)
    )

    kinds = [one["kind"] for one in printed]
    assert set(kinds[:2]) == {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
    assert "Namespace" not in kinds
    # the Roles and their bindings, in the namespace of each domain's registry
    homes = {one["metadata"].get("namespace") for one in printed} - {None}
    assert homes == {
        "platform", "image-registry-system", "openshift-image-registry", "openshift-config"
    }  # fmt: skip
    assert len(printed) == EVERYTHING


def test_uninstall_of_a_known_domain_names_one_registry_namespace() -> None:
    options = ("--dry-run", "--service-namespace", "platform", "--registry-namespace", "registry")
    printed = list(yaml.safe_load_all(run("uninstall", *options).output))

    assert len(printed) == EVERYTHING - 4
    homes = {one["metadata"].get("namespace") for one in printed} - {None}
    assert homes == {"platform", "registry", "openshift-config"}


def test_uninstall_names_the_namespace_last_if_asked_to() -> None:
    answer = run("uninstall", "--dry-run", "--service-namespace", "platform", "--delete-namespace")

    assert list(yaml.safe_load_all(answer.output))[-1] == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "platform"},
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param([], "Missing option '--image'", id="no image"),
        pytest.param(
            ["--image", "i", "--service-namespace", "A_b"], "'A_b' is not the name", id="namespace"
        ),
        pytest.param(["--image", "i", "--replicas", "0"], "0 is not in the range", id="replicas"),
        pytest.param(["--image", "i", "--api-domain", "a.io"], "'a.io' is not one of", id="domain"),
        pytest.param(["--image", "i", "--tls-dir", "none"], "'none' does not exist", id="tls"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], problem: str) -> None:
    answer = run("install", *arguments)

    assert answer.exit_code == 2
    assert problem in answer.output


def test_unusable_certificate_is_not_installed(tls: Path) -> None:
    answer = run("install", "--image", "i", "--service-namespace", "x", "--tls-dir", tls)

    assert answer.exit_code == 3
    assert "is not for registry-admission.x.svc" in answer.output


def test_controller_component_adds_flag_and_rights() -> None:
    options = ("--controllers", "s3-credentials", "--controllers", "pull-secrets")

    printed = list(yaml.safe_load_all(run("install", "--image", "i", *options).output))

    names = [(one["kind"], one["metadata"]["name"]) for one in printed]
    added = [
        name
        for name in names
        if name not in {(m["kind"], m["metadata"]["name"]) for m in manifests()}
    ]
    assert ("ClusterRole", "registry-admission-pull-secrets") in added
    assert ("Role", "registry-admission-s3-credentials") in added
    [deployment] = [one for one in printed if one["kind"] == "Deployment"]
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args == ["serve", "--controllers=s3-credentials", "--controllers=pull-secrets"]


@pytest.mark.parametrize("controllers", [(), ("pull-secrets",)], ids=["without", "with"])
def test_service_account_webhook_comes_with_its_controller_only(
    controllers: tuple[str, ...],
) -> None:
    webhooks = only("MutatingWebhookConfiguration", controllers=controllers)["webhooks"]

    asked = [one for one in webhooks if "serviceaccounts" in one["rules"][0]["resources"]]
    assert [one["failurePolicy"] for one in asked] == ["Ignore"] * len(controllers)


class Recorder(KubeApi):
    def __init__(self, missing: str = "", forbidden: str = "") -> None:
        self.paths: list[str] = []
        self._missing = missing
        self._forbidden = forbidden

    async def delete(self, path: str, content: dict[str, Any] | None = None) -> None:
        if self._missing and self._missing in path:
            raise NotFoundError(404, f"{path} not found")
        if self._forbidden and self._forbidden in path:
            raise ApiError(403, f"{path} is forbidden")
        self.paths.append(path)


async def test_deleting_skips_missing_objects() -> None:
    api, done = Recorder(missing="/services/"), list[str]()

    objects = installing.leftovers("platform", and_namespace=True)

    assert await installing.delete(api, objects, done.append) == EVERYTHING

    assert "/apis/networking.k8s.io/v1/namespaces/platform/networkpolicies/registry-admission" in (
        api.paths
    )
    assert api.paths[-1] == "/api/v1/namespaces/platform"
    assert len(done) == len(api.paths) == EVERYTHING
    assert done[-1] == "Namespace platform deleted"


async def test_deleting_stops_at_a_forbidden_object() -> None:
    api = Recorder(forbidden="/clusterroles/")

    with pytest.raises(ApiError, match="is forbidden"):
        await installing.delete(api, installing.leftovers("x", and_namespace=True), print)

    assert "/api/v1/namespaces/x" not in api.paths


class WithoutNamespace(KubeApi):
    """A cluster in which one namespace does not exist."""

    def __init__(self, name: str) -> None:
        self.paths: list[str] = []
        self._name = name

    async def apply(
        self, path: str, content: dict[str, Any], manager: str, **_options: bool
    ) -> dict[str, Any]:
        if f"/namespaces/{self._name}/" in path:
            raise NotFoundError(404, f'namespaces "{self._name}" not found')
        self.paths.append(path)
        return content


async def test_install_works_without_the_registry_namespace() -> None:
    api, done = WithoutNamespace("image-registry-system"), list[str]()

    await installing.apply(api, manifests(), done.append)

    assert len(api.paths) == len(manifests()) - 2
    assert [line for line in done if "left out" in line] == [
        f"{kind} registry-admission-references left out: no namespace image-registry-system; "
        "install again when it is there"
        for kind in ("Role", "RoleBinding")
    ]


async def test_any_other_namespace_that_does_not_exist_is_an_error() -> None:
    done = list[str]()

    with pytest.raises(NotFoundError, match='namespaces "registry-admission" not found'):
        await installing.apply(WithoutNamespace("registry-admission"), manifests(), done.append)

    assert not any("left out" in line for line in done)


def test_unsupported_kustomization_field_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\nnamePrefix: a-\n")

    with pytest.raises(ValueError, match=r"kustomization\.yaml: namePrefix is not supported here"):
        kustomization.build(tmp_path)
