"""What users of kubectl see: accepted objects, defaults and refusals."""

import asyncio
import json
import os
from typing import Any

import pytest
import yaml

from tests import page

from .cluster import Cluster
from .domain import DOMAIN, in_domain
from .observed import becomes, limits_of_the_page
from .pushes import Push
from .replicas import Replicas
from .stored_streams import image_event, store_stream

pytestmark = pytest.mark.e2e


def test_the_api_server_is_of_the_version_that_was_asked_for(cluster: Cluster) -> None:
    asked = os.environ.get("KUBERNETES", "")

    version = json.loads(cluster.kubectl("get", "--raw", "/version").stdout)["gitVersion"]

    assert version.startswith(f"v{asked}.") if asked else version.startswith("v1.")


@pytest.mark.parametrize("number", range(len(page.examples())))
def test_every_example_of_the_page_is_applied(
    cluster: Cluster, replicas: Replicas, number: int
) -> None:
    """The example with another storage class, because the API server checks its name."""
    cluster.kubectl("create", "namespace", "team-a", check=False)
    text = in_domain(page.examples()[number]).replace("<storage-class-name>", "standard")

    applied = cluster.kubectl("apply", "-f", "-", input=text)

    for document in yaml.safe_load_all(text):
        assert f"/{document['metadata']['name']}" in applied.stdout
    cluster.kubectl("delete", "-f", "-", "--wait=false", input=text)


def test_a_config_gets_its_defaults(cluster: Cluster, replicas: Replicas) -> None:
    config = {
        "apiVersion": f"imageregistry.operator.{DOMAIN}/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {"storage": {"s3": {"bucket": "images", "regionEndpoint": "https://minio.svc"}}},
    }
    stored = cluster.kubectl("create", "-o", "json", "-f", "-", input=json.dumps(config))
    cluster.kubectl("delete", f"configs.imageregistry.operator.{DOMAIN}", "cluster")

    spec = json.loads(stored.stdout)["spec"]
    assert spec["managementState"] == "Managed"
    assert spec["disableRedirect"] is True
    assert spec["storage"]["managementState"] == "Unmanaged"


def stream(namespace: str, name: str, **content: Any) -> str:
    metadata = {"name": name, "namespace": namespace}
    kind = {"apiVersion": f"image.{DOMAIN}/v1", "kind": "ImageStream"}
    return json.dumps({**kind, "metadata": metadata, **content})


def store_image(cluster: Cluster, namespace: str) -> None:
    """Store an image as source:v1."""
    store_stream(cluster, namespace, "source", {"v1": [image_event(f"sha256:{'0' * 64}")]})


async def test_deleting_a_config_warns_of_the_images_that_go_with_it(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    config = {
        "apiVersion": f"imageregistry.operator.{DOMAIN}/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {"storage": {"emptyDir": {}}},
    }
    name = (f"configs.imageregistry.operator.{DOMAIN}", "cluster")
    store_image(cluster, namespace)
    cluster.kubectl("create", "-f", "-", input=json.dumps(config))

    def warned() -> bool:
        tried = cluster.kubectl("delete", *name, "--dry-run=server")
        return "Warning: Config cluster is deleted, and the emptyDir ends with" in tried.stderr

    await becomes("the warning", warned, True)
    deleted = cluster.kubectl("delete", *name)

    assert "copy the images first, or lose them" in deleted.stderr


async def test_registry_names_come_from_config(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    """The image of a tag in another registry is not known before its import."""
    store_image(cluster, namespace)
    # An image of the internal registry with an unknown size is refused.
    sizes = {"type": f"{DOMAIN}/Image", "max": {"storage": "1Ki"}}
    counts = {"type": f"{DOMAIN}/ImageStream", "max": {f"{DOMAIN}/images": "0"}}
    limits = {"limits": [sizes, counts]}
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small-images", "namespace": namespace},
        "spec": limits,
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(limit_range))
    await asyncio.to_thread(replicas.wait_until_limited, namespace)
    image = {"kind": "DockerImage", "name": f"images.example.com/{namespace}/source:v1"}
    copy = stream(namespace, "copy", spec={"tags": [{"name": "v1", "from": image}]})
    create = ("create", "--dry-run=server", "-f", "-")

    def refused() -> int:
        return cluster.kubectl(*create, input=copy, check=False).returncode

    config = {
        "apiVersion": f"imageregistry.operator.{DOMAIN}/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {"imagePullSecret": {"additionalRegistryHosts": ["images.example.com"]}},
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(config))
    try:
        await becomes("the tag", refused, 1)
    finally:
        cluster.kubectl("delete", f"configs.imageregistry.operator.{DOMAIN}", "cluster")
    await becomes("the tag", refused, 0)


def test_kubectl_shows_why_an_image_is_refused(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    limits_of_the_page(cluster, namespace)
    replicas.wait_until_limited(namespace)
    mapping = json.dumps(Push(namespace, "app", "v1", size=1200 * 2**20).mapping(DOMAIN))

    refused = cluster.kubectl("create", "-f", "-", input=mapping, check=False)

    assert refused.returncode == 1
    assert f"requested usage of storage exceeds the maximum limit per {DOMAIN}/Image" in (
        refused.stderr
    )
    assert "(1.17Gi > 1Gi)" in refused.stderr
    assert f"LimitRange {namespace}/image-registry-limits" in refused.stderr


def test_the_legacy_config_map_is_refused_with_its_replacement(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    refused = cluster.kubectl(
        "-n", namespace, "create", "configmap", "image-registry-limit-config",
        "--from-literal=max_image_size=2GB", check=False,
    )  # fmt: skip

    assert refused.returncode == 1
    assert "kind: LimitRange" in refused.stderr
    assert "storage: 2Gi" in refused.stderr
