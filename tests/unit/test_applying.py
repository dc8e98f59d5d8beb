"""Objects are applied to a cluster: all are tried, several at a time, with ordered results."""

import asyncio
from typing import Any

from app.cluster.api import ApiError, Content, KubeApi
from app.cluster.applying import Applied, apply, path_of


class Cluster(KubeApi):
    """An API server that needs more time for earlier objects."""

    def __init__(self, refused: set[str]) -> None:
        self.running = self.most = 0
        self._refused = refused
        self._turn = 100

    async def apply(self, path: str, content: Content, manager: str, **options: Any) -> Content:
        self.running += 1
        self.most = max(self.most, self.running)
        self._turn -= 1
        for _ in range(self._turn):
            await asyncio.sleep(0)
        self.running -= 1
        if content["metadata"]["name"] in self._refused:
            raise ApiError(403, "refused")
        return content


def limit_range(name: str) -> Content:
    metadata = {"name": name, "namespace": "team-a"}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata}


async def test_applying_keeps_order_and_reports_refusals() -> None:
    cluster = Cluster({"limits-3"})
    objects = [limit_range(f"limits-{number}") for number in range(30)]
    answers = [item async for item in apply(cluster, objects)]
    assert answers == [
        Applied(f"LimitRange team-a/limits-{n}", n != 3, "refused" if n == 3 else "")
        for n in range(30)
    ]
    assert cluster.most == 8


def test_api_paths_of_objects() -> None:
    quota = {**limit_range("q"), "kind": "ResourceQuota"}
    report = {**limit_range("r"), "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport"}
    role = {"apiVersion": "x/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    assert [path_of(item) for item in (limit_range("l"), quota, report, role)] == [
        "/api/v1/namespaces/team-a/limitranges/l",
        "/api/v1/namespaces/team-a/resourcequotas/q",
        "/apis/wgpolicyk8s.io/v1alpha2/namespaces/team-a/policyreports/r",
        "/apis/x/v1/clusterroles/r",
    ]
