"""Stored objects with arbitrary content: each stops its own namespace at most."""

import json
from typing import Any

from app.cluster.api import KubeApi
from app.cluster.heartbeat import Heartbeat
from app.cluster.stores import LimitObjects, Streams, WatchedConfig
from app.cluster.unreadable import Unreadable, UnreadableObjects
from app.model.domain import ApiDomain
from app.quota.push_times import PushTimes
from tests.unit.cluster_certs import FakeApi

from .target import Target, mutate_json

_DOMAIN = ApiDomain()
_API: KubeApi = FakeApi()
_KEY = ("team-b", "odd")


def check(data: bytes) -> None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    noticed: list[Unreadable] = []
    limits = LimitObjects(_DOMAIN, lambda _: None, noticed.append)
    heartbeat = Heartbeat(_API, group=_DOMAIN.image_group, namespace="own", max_error=2)
    streams = Streams(
        heartbeat,
        lambda _: None,
        UnreadableObjects("v1", "ImageStream", noticed.append),
        PushTimes(),
    )
    config = WatchedConfig(UnreadableObjects("v1", "Config", noticed.append))
    for kind, key, store in (
        ("LimitRange", _KEY, limits.limit_ranges),
        ("ResourceQuota", _KEY, limits.quotas),
        ("ImageStream", _KEY, streams),
        ("Config", ("", "cluster"), config),
    ):
        content = document.get(kind)
        store.put(key, _stored(content if isinstance(content, dict) else {}, key))
        before = len(noticed)
        store.put(key, _stored({}, key))
        assert len(noticed) == before
        store.unreadable.require_none(key[0])
    assert {found.namespace for found in noticed} <= {"team-b", ""}
    assert all(len(str(found)) < 1000 for found in noticed)


def _stored(content: dict[str, Any], key: tuple[str, str]) -> dict[str, Any]:
    """The API server guarantees the names of an object and nothing else."""
    metadata = content.get("metadata")
    names = {"namespace": key[0], "name": key[1]}
    return {**content, "metadata": {**(metadata if isinstance(metadata, dict) else {}), **names}}


_METADATA = {"uid": "u", "annotations": {f"{_DOMAIN.name}/mode": "warn"}, "labels": {"a": "b"}}
_DOCUMENT = {
    "LimitRange": {
        "metadata": _METADATA,
        "spec": {
            "limits": [
                {"type": _DOMAIN.image_type, "max": {"storage": "1Gi", "cpu": "1"}},
                {"type": "Container", "max": {"example.com/x": "1e1002"}, "min": {"cpu": "1"}},
            ]
        },
    },
    "ResourceQuota": {
        "metadata": _METADATA,
        "spec": {"hard": {_DOMAIN.images: "5", "pods": "7"}, "scopes": ["BestEffort"]},
        "status": {"hard": {_DOMAIN.images: "5"}, "used": {_DOMAIN.images: "1", "pods": "0"}},
    },
    "ImageStream": {
        "metadata": _METADATA,
        "spec": {"tags": [{"name": "v1", "from": {"kind": "DockerImage", "name": "a/b:v1"}}]},
        "status": {
            "tags": [{"tag": "v1", "items": [{"image": "sha256:1", "created": "2026-01-01"}]}]
        },
    },
    "Config": {
        "metadata": _METADATA,
        "spec": {
            "managementState": "Managed",
            "routes": [{"name": "a", "hostname": "a.example"}],
            "imagePullSecret": {"additionalRegistryHosts": ["b.example"]},
            "resources": {"limits": {"cpu": "much"}},
        },
    },
}

TARGET = Target("stores", check, (json.dumps(_DOCUMENT).encode(),), mutate_json)
