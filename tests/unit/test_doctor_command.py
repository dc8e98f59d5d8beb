"""`registry-admission doctor`: what it asks, what it prints, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from app.cli.main import main
from app.config.settings import Settings
from app.doctor import diagnosing
from app.doctor.finding import REMINDER, Diagnosis
from app.doctor.resources import resources
from app.model.domain import ApiDomain
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, S3_KEYS, S3_SECRET, SERVICE, Manifest

from .snapshots import healthy

Answer = Callable[[web.Request], web.Response | None]
PENDING = {**objects.claim(storageClassName="fast"), "status": {"phase": "Pending"}}


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["doctor", *map(str, arguments)])


def write(folder: Path, *manifests: Manifest) -> Path:
    """As `doctor --dump-commands` has kubectl write them: a list for each kind, empty or not."""
    for item in resources(ApiDomain()):
        found = [one for one in manifests if one["kind"] == item.kind]
        content = {"apiVersion": "v1", "kind": "List", "items": found}
        (folder / f"{item.full_name}.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_doctor_exits_with_0_without_findings(tmp_path: Path) -> None:
    answer = run("--state", write(tmp_path, *healthy()))
    assert answer.exit_code == 0, answer.output
    assert "Findings: error: 0, warning: 0, info: 0. Not checked: 1." in answer.output
    assert "Not checked: image data: the registry was not asked" in answer.output


def test_doctor_table_shows_problem_evidence_and_command(tmp_path: Path) -> None:
    answer = run("--state", write(tmp_path, *healthy(), PENDING))
    assert answer.exit_code == 1
    for words in (
        f"PersistentVolumeClaim {REGISTRY}/image-registry",
        "StorageClassMissing   it is Pending: StorageClass fast does not exist",
        "- asks for 10Gi, ReadWriteOnce, storageClassName fast",
        f"\n    kubectl -n {REGISTRY} describe pvc image-registry\n",
        f"\n{REMINDER}.\n",
        "Findings: error: 1, warning: 0, info: 0.",
    ):
        assert words in answer.output, answer.output


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_doctor_prints_findings_as_json_and_yaml(
    tmp_path: Path, output: str, read: Callable[[str], Any]
) -> None:
    answer = run("--state", write(tmp_path, *healthy(), PENDING), "-o", output)
    content = read(answer.output)
    [finding] = content["findings"]
    assert (finding["severity"], finding["reason"]) == ("error", "StorageClassMissing")
    assert finding["reminder"] == REMINDER
    assert content["summary"] == {"error": 1, "warning": 0, "info": 0}
    assert [item["check"] for item in content["notChecked"]] == ["image data"]


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1)])
def test_warnings_fail_only_on_request(tmp_path: Path, level: str, code: int) -> None:
    left = objects.config_map("registry-gateway-config", "cpaas-system", tag_count_limit="5")
    answer = run("--state", write(tmp_path, *healthy(), left), "--fail-on", level)
    assert (answer.exit_code, "LegacyLimits" in answer.output) == (code, True)


def test_doctor_reads_only_the_given_namespaces(tmp_path: Path) -> None:
    full = objects.quota({"alauda.io/image-tags": "1"}, image_tags="0")
    folder = write(tmp_path, *(item for item in healthy() if item["kind"] != full["kind"]), full)
    assert "QuotaExceeded" in run("--state", folder).output
    assert "QuotaExceeded" in run("--state", folder, "-n", "team-a").output
    assert "Findings: error: 0, warning: 0" in run("--state", folder, "-n", "team-b").output


def test_folder_without_lists_reports_missing_kinds(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([objects.on_s3(), PENDING]))
    answer = run("--state", tmp_path, "-o", "json")
    why = {item["check"]: item["why"] for item in json.loads(answer.output)["notChecked"]}
    assert why["PVs of the registry"].endswith("no PersistentVolume and no persistentvolumes.yaml")
    assert why["s3 credentials"].endswith(f"no Secret {REGISTRY}/{S3_SECRET}")
    assert "PVCs of the registry" in why


def test_secret_in_a_folder_is_checked_and_not_shown(tmp_path: Path) -> None:
    kept = objects.secret(S3_SECRET, REGISTRY, **dict(list(S3_KEYS.items())[:1]))
    (tmp_path / "some.yaml").write_text(yaml.safe_dump_all([objects.on_s3(), kept]))
    (tmp_path / "secrets.yaml").write_text(yaml.safe_dump({"kind": "List", "items": []}))
    answer = run("--state", tmp_path, "-o", "json")
    assert "CredentialsIncomplete" in answer.output
    assert "REGISTRY_STORAGE_S3_SECRETKEY" in answer.output
    for value in (*S3_KEYS.values(), *map(str.encode, kept["data"].values())):
        assert value.decode() not in answer.output


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.yaml", "kind: [", "a.yaml:1:"),
        ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: 7\n", "a.yaml:3: metadata"),
        ("a.yaml", "apiVersion: v1\nkind: Service\n", "holds nothing that is looked at"),
        ("a.txt", "", "holds nothing that is looked at"),
    ],
)
def test_a_folder_that_cannot_be_used_ends_with_3(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    answer = run("--state", tmp_path)
    assert answer.exit_code == 3
    assert problem in answer.output


def test_doctor_without_a_cluster_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(kubeconfig("http://127.0.0.1:1"))
    for arguments in (("--kubeconfig", tmp_path / "kubeconfig"), ("--kubeconfig", tmp_path / "no")):
        answer = run(*arguments)
        assert answer.exit_code == 3, answer.output
        assert "Error: " in answer.output


def test_dump_commands_quote_the_folder() -> None:
    printed = run("--dump-commands", "my dump").output
    assert printed.startswith("mkdir -p 'my dump'\n")
    assert "kubectl get pods -A -o yaml > 'my dump/pods.yaml'" in printed


def test_empty_list_in_utf_16_says_that_the_kind_was_read(tmp_path: Path) -> None:
    """PowerShell writes the output of kubectl in UTF-16."""
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([objects.on_s3(), PENDING]))
    empty = yaml.safe_dump({"apiVersion": "v1", "items": [], "kind": "List"})
    (tmp_path / "persistentvolumes.yaml").write_text(empty, encoding="utf-16")
    answer = run("--state", tmp_path, "-o", "json")
    checks = [item["check"] for item in json.loads(answer.output)["notChecked"]]
    assert "PVs of the registry" not in checks


def test_dump_commands_leave_out_secrets() -> None:
    printed = run("--dump-commands", "dump/").output
    pods = "kubectl get pods -A -o yaml > dump/pods.yaml"
    assert pods in printed.splitlines()
    assert "kubectl get secret" not in printed
    assert all(line.startswith(("mkdir ", "kubectl get ", "#")) for line in printed.splitlines())


def kubeconfig(server: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": server}}],
            "users": [{"name": "a", "user": {"token": "token"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )


class Api:
    """An API server with objects, page by page, that takes note of what it is asked."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self.manifests = manifests
        self.asked: list[web.Request] = []
        self.refuse: Answer = lambda _: None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return self.refuse(request) or self._answer(request)

    def _answer(self, request: web.Request) -> web.Response:
        found = [item for item in self.manifests if _matches(request, item)]
        if request.path.split("/")[-2] == "secrets":
            name = request.path.rpartition("/")[2]
            found = [item for item in found if item["metadata"]["name"] == name]
            return web.json_response(found[0]) if found else _status(404, "not found")
        start = int(request.query.get("continue", "0"))
        following = {"continue": str(start + 1)} if start + 1 < len(found) else {}
        return web.json_response({"metadata": following, "items": found[start : start + 1]})


def _matches(request: web.Request, item: Manifest) -> bool:
    plurals = {resource.kind: resource.plural for resource in resources(ApiDomain())}
    parts, metadata = request.path.split("/"), item["metadata"]
    namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
    name = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
    return (
        plurals[item["kind"]] in parts
        and namespace in ("", metadata.get("namespace"))
        and name in ("", metadata["name"])
    )


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message}, status=code)


@pytest_asyncio.fixture
async def api() -> AsyncIterator[tuple[Api, str]]:
    answers = Api(healthy())
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answers.answer)
    async with TestServer(application) as server:
        yield answers, str(server.make_url(""))


async def ask(server: str, folder: Path) -> Diagnosis:
    (folder / "kubeconfig").write_text(kubeconfig(server))
    return await diagnosing.diagnose(
        Settings(kubeconfig=folder / "kubeconfig"),
        service_namespace=None,
        namespaces=(),
        samples=1,
    )


async def test_doctor_sends_only_get_requests(api: tuple[Api, str], tmp_path: Path) -> None:
    answers, server = api
    answers.manifests.append(PENDING)
    found = await ask(server, tmp_path)
    assert [item.reason for item in found.findings] == ["StorageClassMissing"]
    assert {request.method for request in answers.asked} == {"GET"}
    assert not any("watch" in request.query for request in answers.asked)
    secrets = {request.path for request in answers.asked if "/secrets" in request.path}
    assert secrets == {
        f"/api/v1/namespaces/{REGISTRY}/secrets/image-registry-private-configuration",
        f"/api/v1/namespaces/{REGISTRY}/secrets/{S3_SECRET}",
        f"/api/v1/namespaces/{SERVICE}/secrets/registry-admission-tls",
    }


async def test_forbidden_objects_are_not_checked(api: tuple[Api, str], tmp_path: Path) -> None:
    answers, server = api
    answers.refuse = lambda request: (
        _status(403, "events is forbidden") if request.path.endswith("/events") else None
    )
    found = await ask(server, tmp_path)
    assert found.findings == ()
    [mounts, _] = found.not_checked
    assert mounts.check == "mounts of the registry's Pods"
    assert mounts.why.endswith("events is forbidden")


async def test_a_tenant_is_told_what_may_not_be_read(api: tuple[Api, str], tmp_path: Path) -> None:
    answers, server = api
    answers.refuse = lambda _: _status(403, "User tenant cannot list this")
    (tmp_path / "kubeconfig").write_text(kubeconfig(server))
    answer = await asyncio.to_thread(run, "--kubeconfig", tmp_path / "kubeconfig")
    assert answer.exit_code == 3
    assert "Not checked: PVCs of the registry" in answer.stderr
    assert "User tenant cannot list this" in answer.stderr
    assert "Error" not in answer.stderr


async def test_missing_api_is_not_checked(api: tuple[Api, str], tmp_path: Path) -> None:
    answers, server = api
    answers.refuse = lambda request: (
        _status(404, "the server could not find the requested resource")
        if "image.alauda.io/v1" in request.path
        else None
    )
    found = await ask(server, tmp_path)
    why = {item.check: item.why for item in found.not_checked}
    assert why["counts against limits"].startswith("imagestreams.image.alauda.io is not served:")


async def test_malformed_object_is_not_checked(api: tuple[Api, str], tmp_path: Path) -> None:
    answers, server = api
    answers.manifests.append({**objects.on_claim(), "spec": {"storage": "everywhere"}})
    found = await ask(server, tmp_path)
    why = {item.check: item.why for item in found.not_checked}
    assert why["Config cluster"].startswith(
        "configs.imageregistry.operator.alauda.io: spec.storage"
    )


async def test_service_namespace_is_taken_from_the_webhooks(
    api: tuple[Api, str], tmp_path: Path
) -> None:
    answers, server = api
    for item in answers.manifests:
        if item["kind"].endswith("WebhookConfiguration"):
            for webhook in item["webhooks"]:
                webhook["clientConfig"]["service"]["namespace"] = "elsewhere"
    await ask(server, tmp_path)
    asked = {request.path for request in answers.asked}
    assert "/apis/apps/v1/namespaces/elsewhere/deployments" in asked
