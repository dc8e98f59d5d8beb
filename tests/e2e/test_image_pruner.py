"""ImagePruner/cluster on a real API server."""

from typing import Any

import pytest

from .cluster import Cluster
from .observed import becomes, quota
from .replicas import Replicas
from .storage import tried
from .stored_streams import image_event, store_stream

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"schedule": "0 0 30 2 *"}, "it never comes: none of its months has that day"),
        ({"keepTagRevisions": -1}, "spec.keepTagRevisions is -1, below 0"),
        ({"keepYoungerThanDuration": "4d"}, 'spec.keepYoungerThanDuration is "4d", not a duration'),
        ({"failedJobsHistoryLimit": -1}, "spec.failedJobsHistoryLimit is -1, below 0"),
        ({"successfulJobsHistoryLimit": -1}, "spec.successfulJobsHistoryLimit is -1, below 0"),
    ],
)
def test_a_pruner_that_cannot_run_is_refused(
    cluster: Cluster, warns: Replicas, spec: dict[str, Any], problem: str
) -> None:
    code, lines = tried(cluster, spec, "ImagePruner")

    assert code == 1
    assert problem in "\n".join(lines)


async def test_pruner_that_frees_no_room_gets_a_warning(cluster: Cluster, warns: Replicas) -> None:
    namespace = "prune-me"
    cluster.kubectl("apply", "--filename=-", input=quota(namespace, "images", 3))
    history = [image_event(f"sha256:{number:064x}") for number in range(3)]
    store_stream(cluster, namespace, "app", {"v1": history})
    full = [
        "Warning: Namespace prune-me: pruning keeps 3 images, the newest 3 of every tag, and "
        "ResourceQuota image-registry-quota allows 3; lower spec.keepTagRevisions or delete tags"
    ]

    def pruned(**spec: int) -> tuple[int, list[str]]:
        """Other tests leave further namespaces behind that are over their limits."""
        code, warnings = tried(cluster, spec, "ImagePruner")
        return code, [warning for warning in warnings if namespace in warning]

    await becomes("the warning", pruned, (0, full))
    assert pruned(keepTagRevisions=2) == (0, [])
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
