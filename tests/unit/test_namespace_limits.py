"""Limits that are created in new namespaces, once."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import yaml

from app.cluster.api import ConflictError, Content, KubeApi, NotFoundError, Query
from app.cluster.manifests import ManifestError
from app.controllers import namespace_limits
from app.controllers.metrics import ControllerMetrics
from app.controllers.namespace_limits import TEMPLATE, NamespaceLimits, template
from app.model.domain import ApiDomain
from tests.legacy_gateway import CONFIG_MAP
from tests.patience import PATIENCE
from tests.unit.conversions import run

SERVICE = "registry-admission"
MAPS = f"/api/v1/namespaces/{SERVICE}/configmaps"
RECORD = f"{MAPS}/registry-admission-limited-namespaces"
NOTHING: Content = {"data": {"uids": ""}}
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
            await asyncio.sleep(0)

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

    def forget_limits(self, namespace: str) -> None:
        for path in self.limits_of(namespace):
            del self.stored[path]

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
    return {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": created} | more


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


async def test_a_leader_works_off_all_pages_and_keeps_the_record() -> None:
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


async def test_deleted_limits_stay_deleted_when_a_namespace_gets_its_label_back() -> None:
    api = Api(limit_range())
    work = controller(api, namespace("a"))
    api.namespaces = [namespace("a"), namespace("b")]
    await work.reconcile(("", "a"))
    del api.stored[api.limits_of("a")[0]]

    work._namespaces.remove(("", "a"))
    work._namespaces.put(("", "b"), {"metadata": namespace("b")})
    await work.reconcile(("", "b"))
    work._namespaces.put(("", "a"), {"metadata": namespace("a")})
    await work.reconcile(("", "a"))

    assert api.limits_of("a") == []


@pytest.mark.parametrize("seed", range(10))
async def test_each_namespace_gets_limits_once_whatever_happens_to_it(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Namespaces come and go, get and lose their label, and users delete limits."""
    monkeypatch.setattr(namespace_limits, "_MANY", 3)
    chosen, api, made = random.Random(seed), Api(limit_range()), Counter[str]()
    work, labelled, longest = controller(api), set[str](), 0
    for number in range(80):
        name = f"n{chosen.randrange(4)}"
        existing = {each["name"]: each for each in api.namespaces}
        match chosen.choice(["create", "delete", "label", "limits", "leader"]):
            case "create" if name not in existing:
                api.namespaces.append(namespace(name, uid=f"{name}-{number}"))
                labelled |= {name} if chosen.random() < 0.8 else set()
            case "delete" if name in existing:
                api.namespaces.remove(existing[name])
                labelled.discard(name)
                api.forget_limits(name)
            case "label" if name in existing:
                labelled ^= {name}
            case "limits":
                api.forget_limits(name)
            case "leader":
                work = controller(api)
        seen = {("", each["name"]): each for each in api.namespaces if each["name"] in labelled}
        work._namespaces.retain(set(seen))
        for key, metadata in seen.items():
            work._namespaces.put(key, {"metadata": metadata})
            before = api.limits_of(key[1])
            await work.reconcile(key)
            made[metadata["uid"]] += len(api.limits_of(key[1])) - len(before)
            assert made[metadata["uid"]] == 1
        longest = max(longest, len(api.stored.get(RECORD, NOTHING)["data"]["uids"].split()))
    assert len(made) >= 5
    assert longest <= 2 * 4 + 1


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
