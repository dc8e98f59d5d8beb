"""The service refuses the affinities and spread constraints that the API server refuses."""

import json
from typing import Any

import pytest

from tests.unit import test_affinity as affinity
from tests.unit import test_topology_spread as spread

from .cluster import Cluster

pytestmark = pytest.mark.e2e

_NO_NODE = ("matches no node", "so no node fulfils it", "takes one whole number")
"""The API server accepts some of these, and the scheduler finds no node."""
_NAME_ONLY = ".topologyKey has"
"""The API server accepts any text as the topologyKey of a spread constraint."""


def refused(cluster: Cluster, pods: list[dict[str, Any]]) -> set[int]:
    """The indexes of the Pods that the API server refuses in a Deployment."""
    labels = {"docker-registry": "default"}
    container = {"name": "registry", "image": "registry"}
    deployments = [
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"pod-{index}"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels}, "spec": {"containers": [container], **pod},
                },
            },
        }
        for index, pod in enumerate(pods)
    ]  # fmt: skip
    content = {"apiVersion": "v1", "kind": "List", "items": deployments}
    answer = cluster.kubectl(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(content), check=False
    )
    created = {line.split()[0] for line in answer.stdout.splitlines()}
    return {index for index in range(len(pods)) if f"deployment.apps/pod-{index}" not in created}


def test_the_api_server_accepts_allowed_values(cluster: Cluster) -> None:
    allowed = [{"affinity": one} for one in affinity.ALLOWED if "<" not in json.dumps(one)]
    allowed += [{"topologySpreadConstraints": one} for one in spread.ALLOWED]

    assert refused(cluster, allowed) == set()


def test_the_api_server_refuses_refused_values(cluster: Cluster) -> None:
    cases = [
        ({"affinity": content}, message)
        for content, message, _ in affinity.REFUSED
        if not message.endswith(_NO_NODE)
    ]
    cases += [
        ({"topologySpreadConstraints": [{**spread.ZONES, **changed}]}, message)
        for changed, message, _ in spread.REFUSED
        if _NAME_ONLY not in message
    ]
    cases.append(({"topologySpreadConstraints": [spread.ZONES, spread.ZONES]}, "twice"))

    found = refused(cluster, [pod for pod, _ in cases])

    assert [message for index, (_, message) in enumerate(cases) if index not in found] == []
