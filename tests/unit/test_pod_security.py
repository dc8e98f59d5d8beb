"""The Pods of the manifests meet the Pod Security Standard `restricted`."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.manifests import only

MANIFESTS = Path(__file__).parents[2] / "manifests"


def pods(content: Any) -> Iterator[dict[str, Any]]:
    """The Pod templates in manifests."""
    if isinstance(content, dict):
        if "containers" in content and "serviceAccountName" in content:
            yield content
        content = list(content.values())
    if isinstance(content, list):
        yield from chain.from_iterable(map(pods, content))


WITH_PODS = [
    (str(file.relative_to(MANIFESTS)), pod)
    for file in sorted(MANIFESTS.rglob("*.yaml"))
    if "chart" not in file.parts
    for pod in pods(list(yaml.safe_load_all(file.read_text())))
]


@pytest.mark.parametrize(("file", "pod"), WITH_PODS, ids=[file for file, _ in WITH_PODS])
def test_every_pod_is_restricted(file: str, pod: dict[str, Any]) -> None:
    """Its root file system is read-only as well, which the standard does not ask for."""
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    kinds = {kind for volume in pod.get("volumes", []) for kind in volume} - {"name"}
    assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def test_restricted_pods_are_those_of_the_service_the_gateway_and_the_reports() -> None:
    assert {file for file, _ in WITH_PODS} == {
        "base/deployment.yaml",
        "components/gateway/deployment.yaml",
        "components/policy-reports/cron-job.yaml",
    }
    labels = only("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
