"""`registry-admission doctor` on a cluster: its requests, and missing rights."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.config.settings import Settings
from app.doctor import diagnosing
from app.doctor.finding import Diagnosis
from app.doctor.resources import resources
from app.model.domain import ApiDomain
from app.reporting.inventories import NoNamespaceError
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, S3_SECRET, SERVICE, Manifest

from .doctor_runs import PENDING, kubeconfig, run
from .snapshots import healthy

Answer = Callable[[web.Request], web.Response | None]


class Api:
    """An API server that lists objects page by page, and records the requests."""

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


async def ask(server: str, folder: Path, namespaces: tuple[str, ...] = ()) -> Diagnosis:
    (folder / "kubeconfig").write_text(kubeconfig(server))
    return await diagnosing.diagnose(
        Settings(kubeconfig=folder / "kubeconfig"),
        service_namespace=None,
        namespaces=namespaces,
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


async def test_a_tenant_sees_the_objects_that_may_not_be_read(
    api: tuple[Api, str], tmp_path: Path
) -> None:
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


async def test_a_malformed_object_of_a_tenant_is_left_out_alone(
    api: tuple[Api, str], tmp_path: Path
) -> None:
    answers, server = api
    for name, hard in (("bad", {"alauda.io/images": {}}), ("full", {"alauda.io/imges": "1"})):
        answers.manifests.append(
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": name, "namespace": "team-a"},
                "spec": {"hard": hard},
            }
        )
    found = await ask(server, tmp_path)
    assert [finding.reason for finding in found.findings] == ["MisspelledName"]
    why = {item.check: item.why for item in found.not_checked}
    assert why["objects that are not understood"].startswith("resourcequotas team-a/bad: spec.hard")


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


async def test_namespace_that_does_not_exist_is_an_error(
    api: tuple[Api, str], tmp_path: Path
) -> None:
    answers, server = api
    answers.refuse = lambda request: (
        _status(404, "not found") if request.path == "/api/v1/namespaces/team-x" else None
    )
    with pytest.raises(NoNamespaceError, match="the cluster has no namespace team-x"):
        await ask(server, tmp_path, ("team-x",))
