"""The page in a cluster: the API server authenticates users and checks their rights."""

import html
import json
import re
import shlex
import ssl
from collections.abc import Iterator

import httpx
import pytest

from app.page.session import COOKIE

from .cluster import Cluster
from .domain import DOMAIN
from .observed import becomes, quota
from .pushes import Push, Pusher
from .replicas import Replicas

pytestmark = pytest.mark.e2e

FULL, OTHER = "page-full", "page-other"


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    for namespace in (FULL, OTHER):
        cluster.kubectl("apply", "-f", "-", input=quota(namespace, "image-tags", 1))
    for name in ("tenant", "auditor", "nobody"):
        cluster.kubectl("create", "serviceaccount", name, "-n", FULL)
    rights = ("--verb=get", f"--resource=imagestreams.image.{DOMAIN}")
    cluster.kubectl("create", "role", "looks", "-n", FULL, *rights)
    cluster.kubectl("create", "clusterrole", "looks", *rights)
    account = f"--serviceaccount={FULL}"
    cluster.kubectl(
        "create", "rolebinding", "tenant", "-n", FULL, "--role=looks", f"{account}:tenant"
    )
    cluster.kubectl(
        "create", "clusterrolebinding", "page-auditor", "--clusterrole=looks", f"{account}:auditor"
    )
    folder = tmp_path_factory.mktemp("page")
    with Replicas(cluster, folder, 2, "--page", "on") as running:
        yield running
    cluster.kubectl("delete", "namespace", FULL, OTHER, "--wait=false")
    cluster.kubectl("delete", "clusterrole/looks", "clusterrolebinding/page-auditor")


def token(cluster: Cluster, name: str) -> str:
    return cluster.kubectl("create", "token", name, "-n", FULL).stdout.strip()


def visitor(replicas: Replicas, index: int) -> httpx.Client:
    context = ssl.create_default_context(cafile=replicas.folder / "tls" / "ca.crt")
    return httpx.Client(base_url=replicas.running[index].url, verify=context, timeout=20)


def look(replicas: Replicas, index: int, path: str, bearer: str) -> httpx.Response:
    with visitor(replicas, index) as client:
        return client.get(path, headers={"Authorization": f"Bearer {bearer}"})


def test_users_see_namespaces_where_they_may_get_imagestreams(
    cluster: Cluster, replicas: Replicas
) -> None:
    seen = {}
    for name in ("tenant", "auditor", "nobody"):
        text = look(replicas, 0, "/page?q=page-", token(cluster, name)).text
        seen[name] = [namespace for namespace in (FULL, OTHER) if f">{namespace}<" in text]
    assert seen == {"tenant": [FULL], "auditor": [FULL, OTHER], "nobody": []}

    tenant = token(cluster, "tenant")
    own = look(replicas, 0, f"/page/namespaces/{FULL}", tenant)
    other = look(replicas, 0, f"/page/namespaces/{OTHER}", tenant)
    assert (own.status_code, other.status_code) == (200, 404)
    assert "ResourceQuota image-registry-quota" in own.text


async def test_session_ends_on_every_replica_with_its_token(
    cluster: Cluster, replicas: Replicas
) -> None:
    cluster.kubectl("create", "serviceaccount", "leaving", "-n", FULL)
    form = {"token": token(cluster, "leaving"), "next": "/page"}
    with visitor(replicas, 0) as first, visitor(replicas, 1) as second:
        cookie = first.post("/page/sign-in", data=form).cookies[COOKIE]

        def status() -> int:
            return second.get("/page", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code

        assert status() == 200
        cluster.kubectl("delete", "serviceaccount", "leaving", "-n", FULL)
        await becomes("the status of a session whose token is gone", status, 401)


async def test_every_replica_shows_refusals_across_restarts(
    cluster: Cluster, replicas: Replicas
) -> None:
    pushes = [Push(FULL, "app", tag) for tag in ("v1", "v2", "v2")]
    answers = [answer for push in pushes for answer in await Pusher(cluster).push([push])]
    assert [answer.code for answer in answers] == [201, 403, 403]
    auditor = token(cluster, "auditor")

    def shown() -> list[bool]:
        """Whether each replica shows that two pushes were refused."""
        texts = [look(replicas, index, "/page/refusals", auditor).text for index in (0, 1)]
        return [
            "exceeded quota: image-registry-quota" in text and ">2</td>" in text for text in texts
        ]

    await becomes("the refusals of both replicas", shown, [True, True])
    tenant = look(replicas, 0, f"/page/namespaces/{FULL}/streams/app", token(cluster, "tenant"))
    assert "QuotaExceeded" in tenant.text
    nobody = look(replicas, 1, "/page/refusals", token(cluster, "nobody"))
    assert "Nothing was refused." in nobody.text

    for index in (0, 1):
        replicas.running[index].stop()
        replicas.start(index)
    await becomes("the refusals after a restart", shown, [True, True])


async def test_commands_beside_a_refusal_let_the_push_in(
    cluster: Cluster, replicas: Replicas
) -> None:
    limits = [
        {"type": "Container", "max": {"cpu": "1"}},
        {"type": f"{DOMAIN}/Image", "max": {"storage": "1Ki"}},
    ]
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "sizes", "namespace": OTHER},
        "spec": {"limits": limits},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(limit_range))
    auditor = token(cluster, "auditor")

    def shown(path: str, index: int = 0) -> str:
        return look(replicas, index, f"/page/namespaces/{OTHER}{path}", auditor).text

    def limited() -> bool:
        return all("LimitRange sizes" in shown("", index) for index in (0, 1))

    await becomes("the LimitRange on both pages", limited, True)
    first, second = Push(OTHER, "app", "v1"), Push(OTHER, "web", "v1", size=2000)
    pusher = Pusher(cluster)
    codes = [answer.code for push in (first, second) for answer in await pusher.push([push])]
    assert codes == [201, 403]

    def commands() -> list[str]:
        found = re.findall(r'<code class="command">(.*?)</code>', shown("/streams/web"))
        return [html.unescape(command) for command in found]

    await becomes("the number of commands", lambda: len(commands()), 2)
    for command in commands():
        program, *arguments = shlex.split(command)
        assert program == "kubectl"
        cluster.kubectl(*arguments)

    def changed() -> bool:
        pages = [shown("", index) for index in (0, 1)]
        return all(
            "at most <strong>1Mi</strong>" in one and "</strong> of 2<" in one for one in pages
        )

    await becomes("the new limits on both pages", changed, True)
    [answer] = await pusher.push([second])
    assert answer.code == 201
