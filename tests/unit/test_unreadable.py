"""An object with odd content stops its own namespace at most, and no other namespace."""

import asyncio
import logging
from typing import Any

import pytest

from app.cluster.kubernetes import KubernetesState
from app.cluster.unreadable import UnreadableObjects
from app.gateway.settings import GatewaySettings
from app.model.limits import NO_LIMITS, ResourceQuota
from app.quota.state import StateUnavailableError
from app.reporting.usage_collector import UsageCollector
from app.wiring.backends import cluster_usage
from tests.unit.stores import DOMAIN
from tests.unit.watched_cluster import (
    CONFIGS,
    QUOTAS,
    RANGES,
    STREAMS,
    Cluster,
    config,
    following,
    named,
    until,
)


def limit_range(namespace: str, *items: Any, **metadata: Any) -> dict[str, Any]:
    found = named(namespace, spec={"limits": list(items)})
    found["metadata"] |= metadata
    return found


def quota(namespace: str, **hard: Any) -> dict[str, Any]:
    return named(namespace, spec={"hard": {f"alauda.io/{k}": v for k, v in hard.items()}})


IMAGE_1GI = {"type": "alauda.io/Image", "max": {"storage": "1Gi"}}

OF_OTHERS = [
    pytest.param({"type": "Container", "max": {"example.com/x": "1e1002"}}, id="huge exponent"),
    pytest.param({"type": "Container", "max": {"example.com/x": "1" * 300}}, id="300 digits"),
    pytest.param({"type": "Pod", "max": {"cpu": "much"}}, id="no quantity"),
    pytest.param({"type": "Pod", "min": [1, 2]}, id="no map"),
    pytest.param({"type": ["Pod"], "max": 7}, id="type that is no text"),
    pytest.param({"type": "alauda.io/Image", "min": {"storage": {}}}, id="no maximum"),
    pytest.param({"type": "alauda.io/Image", "max": {"cpu": "much"}}, id="name of others"),
    pytest.param("none", id="no item"),
]  # fmt: skip


@pytest.mark.parametrize("item", OF_OTHERS)
async def test_foreign_limit_range_content_is_not_read(item: Any) -> None:
    odd = limit_range("team-b", item, IMAGE_1GI, annotations={"a": 1}, labels=[])
    async with following(Cluster(ranges=[odd, limit_range("team-a", IMAGE_1GI)])) as state:
        for namespace in ("team-a", "team-b"):
            limit = state.limits(namespace).image_size
            assert limit is not None
            assert str(limit.max) == "1Gi"
        assert sum(state.unreadable().values()) == 0


@pytest.mark.parametrize("value", ["1e1002", "1" * 300, "much", [], None])
async def test_foreign_quota_content_is_not_read(value: Any) -> None:
    odd = quota("team-b", images=5)
    odd["spec"]["hard"]["example.com/x"] = value
    odd["spec"]["scopes"] = 7
    odd["status"] = {"hard": {"example.com/x": value}, "used": value}
    async with following(Cluster(quotas=[odd])) as state:
        [hard] = state.limits("team-b").quotas
        assert str(hard.images) == "5"


ODD_STREAM = named("team-b", status={"tags": [{"tag": "v1", "items": [{"image": {}}]}]})

OURS = [
    pytest.param(
        {"ranges": [limit_range("team-b", {**IMAGE_1GI, "max": {"storage": "much"}})]},
        "LimitRange",
        "spec.limits.0.max.storage: 'much' is not a quantity such as 200, 500m, 1Gi or 1.5G",
        id="LimitRange",
    ),
    pytest.param(
        {"quotas": [quota("team-b", images=[])]},
        "ResourceQuota",
        "spec.hard.alauda.io/images: a quantity must be text or a number",
        id="ResourceQuota",
    ),
    pytest.param(
        {"streams": [ODD_STREAM]},
        "ImageStream",
        "status.tags.0.items.0.image: Input should be a valid string",
        id="ImageStream",
    ),
]  # fmt: skip


def ask(state: KubernetesState, namespace: str) -> None:
    state.limits(namespace)
    state.usage(namespace)


@pytest.mark.parametrize(("lists", "kind", "problem"), OURS)
async def test_unreadable_object_makes_its_namespace_undecidable(
    lists: dict[str, Any], kind: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    cluster = Cluster(**lists)
    async with following(cluster) as state:
        assert state.limits("team-a") == NO_LIMITS
        assert state.usage("team-a").stream_count == 0
        assert not any("odd" in reason or "team-b" in reason for reason in state.problems())
        with pytest.raises(StateUnavailableError) as refusal:
            ask(state, "team-b")
        assert str(refusal.value) == (
            f"namespace team-b has {kind} objects that cannot be read; "
            "Events in that namespace name them"
        )
        assert state.unreadable()[kind] == 1
        await until(lambda: bool(cluster.events))
    [(path, event)] = cluster.events.items()
    assert path.startswith("/api/v1/namespaces/team-b/events/odd.")
    assert event["involvedObject"]["kind"] == kind
    assert event["involvedObject"]["uid"] == "u"
    assert event["message"] == (
        f"{kind} team-b/odd cannot be read: {problem}; "
        "no push to this namespace is decided until it is changed or deleted"
    )
    [record] = [found for found in caplog.records if found.message == "object cannot be read"]
    assert vars(record)["object"] == f"{kind} team-b/odd"
    assert vars(record)["problem"] == problem


async def test_a_gateway_leaves_the_event_to_the_service() -> None:
    cluster = Cluster(streams=[ODD_STREAM])
    settings = GatewaySettings.model_validate({"upstream": "http://r", "namespace": "own"})
    usage = cluster_usage(cluster, settings)
    task = asyncio.create_task(usage.state.run())
    await until(lambda: usage.state.unreadable()["ImageStream"] == 1)
    for _ in range(100):
        await asyncio.sleep(0)
    task.cancel()

    assert cluster.events == {}


def test_object_that_stays_unreadable_is_told_once_and_again_with_another_problem() -> None:
    told: list[str] = []
    quotas = UnreadableObjects("v1", "ResourceQuota", lambda found: told.append(found.problem))
    texts: list[object] = ["much", "much", [], "much"]
    for text in texts:
        content = {"metadata": {}, "spec": {"hard": {"alauda.io/images": text}}}
        assert quotas.read(ResourceQuota, ("ns", "odd"), content) is None

    assert len(told) == 3
    assert told[0] == told[2] != told[1]


@pytest.mark.parametrize("way", ["repaired", "deleted"])
@pytest.mark.parametrize(("lists", "kind", "problem"), OURS)
async def test_namespace_is_decidable_after_repair_or_deletion(
    lists: dict[str, Any], kind: str, problem: str, way: str
) -> None:
    cluster = Cluster(**lists)
    path = {"LimitRange": RANGES, "ResourceQuota": QUOTAS, "ImageStream": STREAMS}[kind]
    async with following(cluster) as state:
        change = "MODIFIED" if way == "repaired" else "DELETED"
        cluster.tell(path, change, named("team-b"))

        await until(lambda: state.unreadable()[kind] == 0)
        ask(state, "team-b")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"resources": {"limits": {"cpu": "much"}}}, id="resources"),
        pytest.param({"storage": {"s3": "bucket"}}, id="storage"),
        pytest.param({"replicas": "two"}, id="replicas"),
    ],
)
async def test_config_with_odd_content_still_names_the_registry(spec: dict[str, Any]) -> None:
    routes = [{"name": "a", "hostname": "registry.example.com"}]
    async with following(Cluster(configs=[config(routes=routes, **spec)])) as state:
        assert state.registry_hosts() == {"registry.example.com"}
        assert state.unreadable()["Config"] == 0


async def test_unreadable_config_keeps_the_known_host_names() -> None:
    routes = [{"name": "a", "hostname": "registry.example.com"}]
    cluster = Cluster(configs=[config(routes=routes)])
    async with following(cluster) as state:
        odd = config(routes="registry.example.com")
        odd["metadata"]["resourceVersion"] = "2"
        cluster.tell(CONFIGS, "MODIFIED", odd)

        await until(lambda: state.unreadable()["Config"] == 1)
        assert state.registry_hosts() == {"registry.example.com"}
        ask(state, "team-a")
        await until(lambda: bool(cluster.events))
    [(path, event)] = cluster.events.items()
    assert path.startswith("/api/v1/namespaces/default/events/cluster.")
    assert event["message"] == (
        "Config cluster cannot be read: spec.routes: Input should be a valid list; "
        "the registry keeps the host names that it had before"
    )


@pytest.mark.parametrize(("lists", "kind", "problem"), OURS)
async def test_commands_report_unreadable_objects(
    lists: dict[str, Any], kind: str, problem: str
) -> None:
    collector = UsageCollector(Cluster(**lists), DOMAIN, service_namespace="own", ledgers=False)

    await collector.read()

    assert collector.notes() == [f"{kind} team-b/odd cannot be read: {problem}"]
    assert collector.usage("team-b").image_count == 0
