"""Limits that are created in new namespaces, once."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import yaml

from app.cluster.api import ConflictError, Content, KubeApi, NotFoundError, Query
from app.cluster.manifests import ManifestError
from app.controllers.metrics import ControllerMetrics
from app.controllers.namespace_limits import TEMPLATE, NamespaceLimits, template
from app.model.domain import ApiDomain
from tests.legacy_gateway import CONFIG_MAP
from tests.patience import PATIENCE
from tests.unit.conversions import run

SERVICE = "registry-admission"
MAPS = f"/api/v1/namespaces/{SERVICE}/configmaps"
RECORD = f"{MAPS}/registry-admission-limited-namespaces"
START, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def limit_range(name: str = "image-registry-limits", kind: str = "alauda.io/Image") -> Content:
    limits = [{"type": kind, "max": {"storage": "1Gi"}}]
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": name, "namespace": ""},
        "spec": {"limits": limits},
    }


class Api(KubeApi):
    """ConfigMaps and limits by path."""

    def __init__(self, *objects: Content) -> None:
        self.stored: dict[str, Content] = {}
        self.namespaces: list[dict[str, Any]] = []
        if objects:
            self.stored[f"{MAPS}/{TEMPLATE}"] = template(objects, SERVICE)

    async def pages(
        self, path: str, query: Query | None = None, limit: int = 1
    ) -> AsyncGenerator[Content, None]:
        """A list with one namespace on each page. Other tasks run between two pages."""
        if path != "/api/v1/namespaces":
            async for page in super().pages(path, query):
                yield page
            return
        for metadata in self.namespaces:
            yield {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": metadata}]}
            await asyncio.sleep(0.05)

    async def watch(self, path: str, query: Query) -> AsyncGenerator[Content, None]:
        await asyncio.Event().wait()
        yield {}

    async def get(self, path: str, query: Query | None = None) -> Content:
        if path.endswith(("limitranges", "resourcequotas")):
            items = [one for key, one in self.stored.items() if key.startswith(f"{path}/")]
            return {"metadata": {}, "items": items}
        if path not in self.stored:
            raise NotFoundError(404, path)
        return self.stored[path]

    async def create(self, path: str, content: Content, query: Query | None = None) -> Content:
        key = f"{path}/{content['metadata']['name']}"
        if key in self.stored:
            raise ConflictError(409, "exists")
        metadata = {**content["metadata"], "creationTimestamp": START}
        self.stored[key] = json.loads(json.dumps({**content, "metadata": metadata}))
        return self.stored[key]

    async def replace(self, path: str, content: Content) -> Content:
        assert path in self.stored
        self.stored[path] = content
        return content

    def limits_of(self, namespace: str) -> list[str]:
        return [key for key in self.stored if key.startswith(f"/api/v1/namespaces/{namespace}/")]


def controller(api: Api, *namespaces: dict[str, Any]) -> NamespaceLimits:
    made = NamespaceLimits(
        api,
        ApiDomain(),
        ControllerMetrics("namespace-limits"),
        namespace=SERVICE,
        selector="",
        protected=["kube-*"],
        silence=150,
    )
    for metadata in namespaces:
        made._namespaces.put(("", metadata["name"]), {"metadata": metadata})
    return made


def namespace(name: str, created: str = LATER, **more: str) -> dict[str, Any]:
    return {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": created, **more}


async def test_a_new_namespace_gets_the_limits_of_the_template_once() -> None:
    api = Api(limit_range())
    work = controller(api, namespace("team-a"))
    await work.reconcile(("", "team-a"))
    [path] = api.limits_of("team-a")
    assert path.endswith("/limitranges/image-registry-limits")
    assert api.stored[path]["metadata"]["namespace"] == "team-a"
    assert api.stored[RECORD]["data"] == {"uids": "uid-of-team-a"}
    del api.stored[path]
    await controller(api, namespace("team-a")).reconcile(("", "team-a"))
    assert api.limits_of("team-a") == []


@pytest.mark.parametrize(
    "metadata",
    [
        namespace("old", created="2025-01-01T00:00:00Z"),
        namespace("kube-new"),
        namespace(SERVICE),
        namespace("leaving", deletionTimestamp=LATER),
    ],
    ids=lambda metadata: metadata["name"],
)
async def test_other_namespaces_get_nothing(metadata: dict[str, Any]) -> None:
    api = Api(limit_range())
    await controller(api, metadata).reconcile(("", metadata["name"]))
    assert not any("limitranges" in path for path in api.stored)


@pytest.mark.parametrize(
    ("present", "created"),
    [
        (limit_range("own"), 0),
        (limit_range("image-registry-limits", "Container"), 0),
        (limit_range("cpu", "Container"), 1),
    ],
    ids=["limits of ours", "an object of the same name", "limits of others"],
)
async def test_existing_limits_are_not_replaced(present: Content, created: int) -> None:
    api = Api(limit_range())
    path = "/api/v1/namespaces/team-a/limitranges"
    await api.create(path, present)
    await controller(api, namespace("team-a")).reconcile(("", "team-a"))
    assert len(api.limits_of("team-a")) == 1 + created


async def test_the_record_is_not_changed_before_all_namespaces_are_listed() -> None:
    """Without this, the record would forget the namespaces on the next page."""
    api = Api(limit_range())
    await controller(api, namespace("b")).reconcile(("", "b"))
    api.namespaces = [namespace("a"), namespace("b")]

    leading = asyncio.create_task(controller(api).run())
    async with asyncio.timeout(PATIENCE):
        while "uid-of-a" not in api.stored[RECORD]["data"]["uids"]:
            await asyncio.sleep(0.01)
    leading.cancel()

    assert api.stored[RECORD]["data"] == {"uids": "uid-of-b\nuid-of-a"}


async def test_a_missing_template_is_looked_for_again_and_nothing_is_recorded() -> None:
    api = Api()
    assert await controller(api, namespace("team-a")).reconcile(("", "team-a")) == 60
    assert api.stored[RECORD]["data"] == {"uids": ""}


async def test_a_template_holds_limits_only() -> None:
    api = Api({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    with pytest.raises(ManifestError, match="Pod is not a LimitRange or ResourceQuota"):
        await controller(api, namespace("team-a")).reconcile(("", "team-a"))


async def test_the_record_forgets_namespaces_that_are_gone() -> None:
    api = Api(limit_range())
    await controller(api, namespace("a")).reconcile(("", "a"))
    await controller(api, namespace("b")).reconcile(("", "b"))
    assert api.stored[RECORD]["data"] == {"uids": "uid-of-b"}


def test_convert_writes_the_template_from_the_defaults_of_the_gateway() -> None:
    answer = run("-", "--namespaces", "team-a", "--template", "--mode", "warn", stdin=CONFIG_MAP)
    *_, config_map = yaml.safe_load_all(answer.stdout)
    assert config_map["metadata"] == {"name": TEMPLATE, "namespace": SERVICE}
    api = Api()
    api.stored[f"{MAPS}/{TEMPLATE}"] = config_map

    async def reconcile() -> None:
        await controller(api, namespace("team-x")).reconcile(("", "team-x"))

    asyncio.run(reconcile())
    [path] = api.limits_of("team-x")
    created = api.stored[path]
    assert created["metadata"]["annotations"] == {"registry-admission.alauda.io/mode": "warn"}
    assert created["spec"]["limits"][1]["max"] == {"alauda.io/image-tags": "1000"}
