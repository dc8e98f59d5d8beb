"""The objects of one tenant do not stop other tenants, and are not shown to them."""

import json
from typing import Any

import pytest

from .cluster import Cluster
from .domain import DOMAIN
from .observed import becomes
from .replicas import Replicas
from .stored_streams import image_event, store_stream

pytestmark = pytest.mark.e2e

DIGEST = f"sha256:{'b' * 64}"
IMAGES = f"image.{DOMAIN}"
ODD_QUANTITIES = ("1e1002", "1" * 300, "0." + "0" * 300 + "1", "1e-1002", "9" * 300 + "Ki")


def create(cluster: Cluster, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))


def limit_range(namespace: str, *limits: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "LimitRange",
        "metadata": {"name": "limits", "namespace": namespace}, "spec": {"limits": list(limits)},
    }  # fmt: skip


async def test_odd_quantities_stop_no_replica(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    [replica] = replicas.running
    odd = {f"example.com/x{index}": text for index, text in enumerate(ODD_QUANTITIES)}
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "quota", "namespace": namespace},
        "spec": {"hard": {
            "example.com/x": "1e1002", f"{DOMAIN}/images": "1e1002", f"{DOMAIN}/image-tags": "3",
        }},
    }  # fmt: skip
    create(cluster, limit_range(namespace, {"type": "Container", "max": odd}), quota)
    replicas.wait_until_limited(namespace)

    await becomes("no reason", replica.reasons, [])
    assert 'unreadable_objects{kind="ResourceQuota"} 0.0' in replica.metrics()


async def test_only_viewers_of_a_stream_are_told_of_its_images(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    [replica] = replicas.running
    secret = f"{namespace}-secret"
    cluster.kubectl("create", "namespace", secret)
    store_stream(cluster, secret, "roadmap", {"v1": [image_event(DIGEST)]})
    create(cluster, limit_range(namespace, {"type": f"{DOMAIN}/Image", "max": {"storage": "1Ki"}}))
    cluster.kubectl(
        "create", "clusterrole", "sees", "--verb=get", f"--resource=imagestreams.{IMAGES}"
    )
    cluster.kubectl(
        "create", "rolebinding", "sees", f"--namespace={secret}", "--clusterrole=sees",
        "--user=ada",
    )  # fmt: skip

    def told(user: str) -> str:
        source = {"kind": "ImageStreamTag", "namespace": secret, "name": "roadmap:v1"}
        answer = replica.review(
            {
                "uid": "1",
                "kind": {"group": IMAGES, "version": "v1", "kind": "ImageStreamTag"},
                "operation": "CREATE",
                "name": "app:v1",
                "namespace": namespace,
                "dryRun": True,
                "userInfo": {"username": user, "groups": ["system:authenticated"]},
                "object": {"metadata": {"name": "app:v1"}, "tag": {"name": "v1", "from": source}},
            }
        )
        return json.dumps(answer)

    def may() -> bool:
        question = ("auth", "can-i", "get", f"imagestreams.{IMAGES}", f"--namespace={secret}")
        return cluster.kubectl(*question, "--as=ada", check=False).returncode == 0

    await becomes("right of ada", may, True)
    await becomes("refused", lambda: DIGEST in told("ada"), True)
    assert "ImageSizeUnknown" in told("ada")
    assert DIGEST not in told("eve")
    assert "ImageSizeUnknown" not in told("eve")
    cluster.kubectl("delete", "namespace", secret, "--wait=false")
