"""The claim that holds the registry's images is not deleted by mistake."""

import json
from collections.abc import Iterator
from functools import partial

import pytest

from .cluster import Cluster
from .domain import DOMAIN
from .observed import becomes
from .replicas import Replicas
from .storage import CONFIG, IN_REGISTRY, Answering, claim
from .stored_streams import image_event, store_stream

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("no_storage_left")]

CLAIMS = f"/api/v1{IN_REGISTRY.replace('--namespace=', '/namespaces/')}/persistentvolumeclaims"
CONTROLLER = (
    "--as=system:serviceaccount:kube-system:namespace-controller",
    "--as-group=system:masters",
)


@pytest.fixture(scope="module")
def guarded(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("guarded")
    with Answering(cluster, folder, 1, "--data-loss-guard", "deny") as running:
        yield running


@pytest.fixture
def config(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A registry with images in the claim `images`, and a claim of somebody else."""
    for name in ("images", "other"):
        claim(cluster, name)
    store_stream(cluster, namespace, "app", {"v1": [image_event(f"sha256:{1:064x}")]})
    content = {
        "apiVersion": CONFIG, "kind": "Config", "metadata": {"name": "cluster"},
        "spec": {"replicas": 1, "storage": {"pvc": {"claim": "images"}}},
    }  # fmt: skip
    cluster.kubectl("create", "--filename=-", input=json.dumps(content))
    yield
    cluster.kubectl("delete", f"configs.imageregistry.operator.{DOMAIN}", "cluster")


def deleted(cluster: Cluster, *arguments: str) -> str:
    """What kubectl says against a deletion that is only tried; "" if it may happen."""
    answer = cluster.kubectl("delete", "--dry-run=server", *arguments, IN_REGISTRY, check=False)
    return answer.stderr


async def test_the_claim_with_the_images_is_deleted_on_purpose_only(
    cluster: Cluster, guarded: Replicas, config: None
) -> None:
    def is_refused() -> bool:
        return "it holds the registry's images" in deleted(cluster, "pvc", "images")

    await becomes("the claim's guard", is_refused, True)
    assert "Forbidden" in deleted(cluster, "pvc", "images")
    assert deleted(cluster, "pvc", "other") == ""
    collection = cluster.kubectl("delete", "--raw", f"{CLAIMS}?dryRun=All", check=False)
    assert "it holds the registry's images" in collection.stderr
    assert deleted(cluster, "pvc", "images", *CONTROLLER) == ""

    annotation = f"imageregistry.operator.{DOMAIN}/acknowledge-data-loss=true"
    cluster.kubectl("annotate", "pvc", "images", annotation, IN_REGISTRY)

    assert deleted(cluster, "pvc", "images").startswith("Warning: it holds the registry's images")


async def test_a_removed_registry_lets_its_claim_go(
    cluster: Cluster, guarded: Replicas, config: None
) -> None:
    await becomes("guard", lambda: deleted(cluster, "pvc", "images") != "", True)
    patch = '{"spec": {"managementState": "Removed"}}'
    resource = f"configs.imageregistry.operator.{DOMAIN}"
    cluster.kubectl("patch", resource, "cluster", "--type=merge", f"--patch={patch}")

    await becomes("the claim's guard", partial(deleted, cluster, "pvc", "images"), "")
