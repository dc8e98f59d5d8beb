"""Limits hold for every form of a write: apply, patch, replace, generated names."""

import json
from collections.abc import Iterator
from functools import partial
from subprocess import CompletedProcess
from typing import Any

import pytest

from .cluster import Cluster
from .domain import DOMAIN
from .observed import becomes
from .replicas import Replicas

pytestmark = pytest.mark.e2e

REFUSED = "exceeded quota: image-registry-quota"


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Replicas(cluster, tmp_path_factory.mktemp("replicas"), 2) as running:
        yield running


def stream(namespace: str, *tags: str, **metadata: str) -> dict[str, Any]:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": namespace, **metadata},
        "spec": {"tags": [{"name": tag} for tag in tags]},
    }


def limited(cluster: Cluster, replicas: Replicas, namespace: str, most: int) -> None:
    """Limit streams and tags, and wait until every replica has seen the limits."""
    hard = {f"{DOMAIN}/{name}": str(most) for name in ("imagestreams", "image-tags")}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "image-registry-quota", "namespace": namespace},
        "spec": {"hard": hard},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(quota))
    replicas.wait_until_limited(namespace)


def write(
    cluster: Cluster, form: tuple[str, ...], content: dict[str, Any]
) -> CompletedProcess[str]:
    """Write a stream with kubectl. A patch has the spec only."""
    if form[0] != "patch":
        return cluster.kubectl(*form, "-f", "-", input=json.dumps(content), check=False)
    patch: Any = {"spec": content["spec"]}
    if "--type=json" in form:
        patch = [{"op": "replace", "path": "/spec/tags", "value": content["spec"]["tags"]}]
    where = ("imagestream", "app", "-n", content["metadata"]["namespace"])
    return cluster.kubectl(*form, *where, f"--patch={json.dumps(patch)}", check=False)


@pytest.mark.parametrize(
    "form",
    [
        ("apply", "--server-side", "--force-conflicts"),
        ("apply",),
        ("replace",),
        ("patch", "--type=merge"),
        ("patch", "--type=json"),
        ("patch", "--type=merge", "--dry-run=server"),
    ],
    ids=" ".join,
)
def test_an_update_of_any_form_is_held_against_the_limit(
    cluster: Cluster, replicas: Replicas, namespace: str, form: tuple[str, ...]
) -> None:
    limited(cluster, replicas, namespace, 2)
    cluster.kubectl("create", "-f", "-", input=json.dumps(stream(namespace, "v1", "v2")))

    third = write(cluster, form, stream(namespace, "v1", "v2", "v3"))
    renamed = write(cluster, form, stream(namespace, "v1", "v4"))

    assert (third.returncode, renamed.returncode) == (1, 0), renamed.stderr
    assert f"{REFUSED}, requested: {DOMAIN}/image-tags=1" in third.stderr


@pytest.mark.parametrize(
    "form", [("apply", "--server-side"), ("apply",), ("create",)], ids=" ".join
)
def test_a_stream_that_any_form_makes_is_held_against_the_limit(
    cluster: Cluster, replicas: Replicas, namespace: str, form: tuple[str, ...]
) -> None:
    limited(cluster, replicas, namespace, 1)

    made = [write(cluster, form, stream(namespace, name=name)) for name in ("one", "two")]

    assert [answer.returncode for answer in made] == [0, 1], made[0].stderr
    assert f"{REFUSED}, requested: {DOMAIN}/imagestreams=1" in made[1].stderr


def test_streams_with_generated_names_are_counted_one_by_one(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    limited(cluster, replicas, namespace, 2)
    content = stream(namespace, generateName="app-")
    del content["metadata"]["name"]

    made = [write(cluster, ("create",), content) for _ in range(4)]

    assert [answer.returncode for answer in made] == [0, 0, 1, 1]


async def test_deleting_a_collection_makes_room_for_as_many(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    limited(cluster, replicas, namespace, 2)
    for name in ("one", "two"):
        write(cluster, ("create",), stream(namespace, name=name))

    cluster.kubectl("delete", "imagestreams", "--all", "-n", namespace)
    path = f"/apis/image.{DOMAIN}/v1/namespaces/{namespace}/imagestreams"
    assert json.loads(cluster.kubectl("get", "--raw", path).stdout)["items"] == []

    def created(name: str) -> bool:
        return write(cluster, ("create",), stream(namespace, name=name)).returncode == 0

    for name in ("three", "four"):
        await becomes(name, partial(created, name), True)
    assert REFUSED in write(cluster, ("create",), stream(namespace, name="five")).stderr
