"""Probes for changes, which API servers and replicas see a moment after they are stored."""

import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

import yaml

from app.install.kustomization import Manifest
from tests.patience import PATIENCE

from .cluster import Cluster

_LABEL = "e2e/probe"
_NAME = "probe.e2e.example.com"


def claim(namespace: str, members: int, domain: str) -> dict[str, Any]:
    """A dry run of an ImageStream with as many tags and images."""
    metadata = {"name": "limited", "namespace": namespace}
    tags = [
        {"tag": f"v{number}", "items": [{"image": f"sha256:{number:064x}"}]}
        for number in range(members)
    ]
    return {
        "uid": "1",
        "kind": {"group": f"image.{domain}", "version": "v1", "kind": "ImageStream"},
        "operation": "CREATE",
        "name": "limited",
        "namespace": namespace,
        "dryRun": True,
        "object": {"metadata": metadata, "status": {"tags": tags}},
    }


def apply_webhooks(cluster: Cluster, configurations: Sequence[Manifest]) -> None:
    """Apply webhook configurations, and wait until the API server has them in force.

    Each configuration gets one webhook more, which refuses a probe of this call.
    """
    probes = {secrets.token_hex(8): one for one in configurations}
    for probe, one in probes.items():
        one["webhooks"] = [*one["webhooks"], _refusal(probe)]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(configurations))
    for probe in probes:
        deadline = time.monotonic() + PATIENCE
        while not _is_refused(cluster, probe):
            assert time.monotonic() < deadline, "the API server has not heard of the webhooks"
            time.sleep(0.1)


def _refusal(probe: str) -> Manifest:
    """A webhook that refuses ConfigMaps with this label, because no service answers it."""
    return {
        "name": _NAME,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "objectSelector": {"matchLabels": {_LABEL: probe}},
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps"],
            }
        ],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }


def _is_refused(cluster: Cluster, probe: str) -> bool:
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "probe", "namespace": "default", "labels": {_LABEL: probe}},
    }
    tried = cluster.kubectl(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(config_map), check=False
    )
    return f'failed calling webhook "{_NAME}"' in tried.stderr
