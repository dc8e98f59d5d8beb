"""The service refuses the affinities, spread constraints and tolerations that the API server
refuses in a Pod."""

import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.patience import PATIENCE
from tests.unit import test_affinity as affinity
from tests.unit import test_topology_spread as spread
from tests.unit.registry_configs import check_spec

from .cluster import Cluster
from .placements import PLACEMENTS

pytestmark = pytest.mark.e2e

_STRICTER = (
    "matches no node",
    "so no node fulfils it",
    "takes one whole number",
    ".topologyKey has",
    "preference.matchExpressions[",
    "matchLabelKeys and labelSelector both have",
    "more than once",
)
"""Parts of refusals of a Pod that the API server may accept. The scheduler finds no node for it, or
the reference of the API forbids it."""
_LABELS = {"docker-registry": "default", "pod-template-hash": "5d7c8"}


class Pods:
    """Creates Pods with `dryRun`."""

    def __init__(self, cluster: Cluster, client: httpx.Client) -> None:
        self._url = f"{cluster.url}/api/v1/namespaces/default/pods?dryRun=All"
        self._client = client

    def refusal(self, spec: dict[str, Any]) -> str:
        """Why the API server refuses a Pod with this spec; "" if it does not."""
        container = {"name": "registry", "image": "registry"}
        pod = {
            "metadata": {"name": "registry", "labels": _LABELS},
            "spec": {"containers": [container], **spec},
        }
        answer = self._client.post(self._url, json=pod)
        return "" if answer.is_success else answer.json()["message"]


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Pods]:
    cluster.kubectl("create", "serviceaccount", "default", check=False)
    with httpx.Client(
        headers={"Authorization": f"Bearer {cluster.token}"},
        verify=ssl.create_default_context(cafile=cluster.ca_file),
        timeout=PATIENCE,
        trust_env=False,
    ) as client:
        yield Pods(cluster, client)


ALLOWED = [{"affinity": one} for one in affinity.ALLOWED if "<" not in json.dumps(one)]
ALLOWED += [{"topologySpreadConstraints": one} for one in spread.ALLOWED]
REFUSED = [({"affinity": content}, message) for content, message, _ in affinity.REFUSED]
REFUSED += [
    ({"topologySpreadConstraints": [{**spread.ZONES, **changed}]}, message)
    for changed, message, _ in spread.REFUSED
]
REFUSED.append(({"topologySpreadConstraints": [spread.ZONES, spread.ZONES]}, "twice"))


def test_the_api_server_accepts_allowed_values(pods: Pods) -> None:
    assert [spec for spec in ALLOWED if pods.refusal(spec)] == []


def test_the_api_server_refuses_refused_values(pods: Pods) -> None:
    found = [message for spec, message in REFUSED if not pods.refusal(spec)]

    assert [message for message in found if not is_stricter(message)] == []


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=PLACEMENTS)
def test_the_service_and_the_api_server_agree_on_any_pod(pods: Pods, spec: dict[str, Any]) -> None:
    told = [str(violation) for violation in check_spec(spec).violations]
    refusal = pods.refusal(spec)

    if refusal:
        assert told, refusal
    else:
        assert [text for text in told if not is_stricter(text)] == []


def is_stricter(message: str) -> bool:
    return any(part in message for part in _STRICTER)
