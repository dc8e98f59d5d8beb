"""Gateways, and push checks, on the state of a real API server."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import yaml

from app.auth.authentication import Subject
from app.auth.reviews import KubernetesAccess
from app.cluster.api import KubeApi
from app.cluster.connection import connected
from app.model.domain import ApiDomain
from app.registry.names import Repository
from tests.e2e.cluster import Cluster, build_tools
from tests.e2e.observed import quota
from tests.e2e.overlays import MANIFESTS, apply, kustomize
from tests.patience import PATIENCE

from . import images
from .programs import Registry, gateway

pytestmark = pytest.mark.e2e

_PUSHER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: pusher, namespace: team-p}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: puller, namespace: team-p}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: pusher, namespace: team-p}
rules:
  - {apiGroups: [image.alauda.io], resources: [imagestreams/layers], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: pusher, namespace: team-p}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: pusher}
subjects: [{kind: ServiceAccount, name: pusher, namespace: team-p}]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(build_tools(), tmp_path_factory.mktemp("cluster")) as running:
        running.start_controller_manager()
        running.install_crds()
        running.kubectl("create", "namespace", "registry-admission")
        yield running


@pytest_asyncio.fixture
async def api(cluster: Cluster) -> AsyncIterator[KubeApi]:
    async with connected(cluster.kubeconfig, None) as api:
        yield api


async def test_200_concurrent_pushes_through_three_gateways_leave_exactly_50_tags(
    cluster: Cluster, upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    cluster.kubectl("apply", "-f", "-", input=quota("team-g", "image-tags", 50))
    await images.push_blob(direct, "team-g/app")
    async with AsyncExitStack() as stack:
        urls = []
        for _ in range(3):
            running = gateway(tmp_path, upstream.url, kubeconfig=cluster.kubeconfig)
            urls.append((await stack.enter_async_context(running)).url)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))

        answers = await asyncio.gather(
            *(_until_decided(client, "team-g/app", f"v{n}", urls[n % 3]) for n in range(200))
        )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(403)) == (50, 150)
    assert len(await images.tags(direct, "team-g/app")) == 50


async def _until_decided(
    client: httpx.AsyncClient, repository: str, tag: str, url: str
) -> httpx.Response:
    """Push again while the gateway cannot decide, as clients do."""
    while True:
        answer = await images.push_manifest(client, repository, tag, images.image(tag), url)
        if answer.status_code not in (429, 503):
            return answer
        await asyncio.sleep(0.5)


async def test_users_who_may_update_imagestreams_layers_may_push(
    cluster: Cluster, api: KubeApi
) -> None:
    cluster.kubectl("create", "namespace", "team-p")
    cluster.kubectl("apply", "-f", "-", input=_PUSHER)
    access = KubernetesAccess(api, ApiDomain())
    subjects = {}
    for account in ("pusher", "puller"):
        created = cluster.kubectl("-n", "team-p", "create", "token", account)
        subject = await access.authenticate(created.stdout.strip())
        assert subject is not None
        assert subject.name == f"system:serviceaccount:team-p:{account}"
        subjects[account] = subject
    await _until_may_push(api, subjects["pusher"], Repository("team-p", "app"))
    rights = {
        (account, namespace): await access.may_push(subject, Repository(namespace, "app"))
        for account, subject in subjects.items()
        for namespace in ("team-p", "team-q")
    }

    assert [who for who, may in rights.items() if may] == [("pusher", "team-p")]
    assert await access.authenticate("not-a-token") is None


async def _until_may_push(api: KubeApi, subject: Subject, repository: Repository) -> None:
    """Wait until the API server applies the new RoleBinding: it reads it in the background."""
    async with asyncio.timeout(PATIENCE):
        while not await KubernetesAccess(api, ApiDomain()).may_push(subject, repository):
            await asyncio.sleep(0.05)


async def test_component_gives_the_gateway_all_rights_that_it_needs(
    cluster: Cluster, upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    overlay(tmp_path, "gateway")
    cluster.kubectl("create", "namespace", "image-registry-system", check=False)
    manifests = kustomize(cluster, tmp_path)
    warnings = apply(cluster, [one for one in manifests if "Webhook" not in one["kind"]])
    limited = cluster.account_kubeconfig(
        tmp_path / "limited", "registry-admission", "registry-gateway"
    )
    cluster.kubectl("apply", "-f", "-", input=quota("team-r", "image-tags", 1))
    await images.push_blob(direct, "team-r/app")

    async with (
        gateway(tmp_path, upstream.url, kubeconfig=limited) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        statuses = [
            (await images.push_manifest(client, "team-r/app", tag, images.image(tag))).status_code
            for tag in ("v1", "v2")
        ]

    assert warnings == ""
    assert statuses == [201, 403]


async def test_api_server_accepts_the_plain_component(cluster: Cluster, tmp_path: Path) -> None:
    overlay(tmp_path, "gateway", "gateway/plain")

    manifests = kustomize(cluster, tmp_path)
    found = [one for one in manifests if one["metadata"]["name"] == "registry-gateway"]
    warnings = apply(cluster, found)
    [deployment] = [one for one in found if one["kind"] == "Deployment"]

    assert warnings == ""
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    assert {volume["name"] for volume in volumes} == {"tmp", "registry-ca", "limits", "data"}


def overlay(folder: Path, *components: str) -> None:
    """Make the folder a kustomization of the base with these components."""
    root = os.path.relpath(MANIFESTS.resolve(), folder.resolve())
    content = {
        "resources": [f"{root}/base"],
        "components": [f"{root}/components/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
