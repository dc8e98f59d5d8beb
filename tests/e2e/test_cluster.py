"""The control plane of the end-to-end tests has the features that these tests need."""

import json
import re
from functools import partial

import pytest

from .cluster import Cluster
from .domain import DOMAIN
from .observed import becomes

pytestmark = pytest.mark.e2e

STREAM = f"""
apiVersion: image.{DOMAIN}/v1
kind: ImageStream
metadata: {{name: app, namespace: default}}
spec: {{tags: [{{name: v1, from: {{kind: DockerImage, name: quay.io/team/app:v1}}}}]}}
"""


def test_the_apis_of_the_registry_are_established(cluster: Cluster) -> None:
    crds = json.loads(cluster.kubectl("get", "crds", "--output=json").stdout)["items"]
    established = {
        crd["metadata"]["name"]
        for crd in crds
        for condition in crd["status"]["conditions"]
        if condition["type"] == "Established" and condition["status"] == "True"
    }
    assert established >= {
        f"configs.imageregistry.operator.{DOMAIN}",
        f"imagepruners.imageregistry.operator.{DOMAIN}",
        f"images.image.{DOMAIN}",
        f"imagestreamimports.image.{DOMAIN}",
        f"imagestreammappings.image.{DOMAIN}",
        f"imagestreams.image.{DOMAIN}",
        f"imagestreamtags.image.{DOMAIN}",
        f"imagetags.image.{DOMAIN}",
    }


def test_the_apis_exist_under_another_domain(cluster: Cluster) -> None:
    cluster.install_crds("example.io")
    names = cluster.kubectl("get", "crds", "--output=name").stdout.split()
    moved = [name for name in names if name.endswith(".example.io")]
    cluster.kubectl("get", "imagestreams.image.example.io")
    cluster.remove_crds("example.io")
    assert len(moved) == 8


def test_kubectl_creates_an_image_stream(cluster: Cluster) -> None:
    cluster.kubectl("create", "--filename=-", input=STREAM)
    try:
        stream = json.loads(cluster.kubectl("get", "is", "app", "--output=json").stdout)
    finally:
        cluster.kubectl("delete", "is", "app")
    assert stream["spec"]["tags"][0]["from"]["name"] == "quay.io/team/app:v1"


def test_a_failed_kubectl_is_an_error_unless_asked_for(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="NotFound"):
        cluster.kubectl("get", "imagestream", "none")
    assert cluster.kubectl("get", "imagestream", "none", check=False).returncode == 1


def test_the_programs_know_their_version(cluster: Cluster) -> None:
    versions = json.loads(cluster.kubectl("version", "--output=json").stdout)
    server = versions["serverVersion"]["gitVersion"]
    assert re.fullmatch(r"v1\.\d+\.\d+", server)
    assert versions["clientVersion"]["gitVersion"] == server


def test_a_restart_keeps_stored_objects(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "kept", "--from-literal=key=value")
    try:
        cluster.restart_apiserver()
        kept = json.loads(cluster.kubectl("get", "configmap", "kept", "--output=json").stdout)
    finally:
        cluster.kubectl("delete", "configmap", "kept")
    assert kept["data"] == {"key": "value"}


async def test_a_paused_api_server_does_not_answer(cluster: Cluster) -> None:
    cluster.pause_apiserver()
    try:
        paused = cluster.kubectl("get", "--raw=/readyz", "--request-timeout=1s", check=False)
    finally:
        cluster.resume_apiserver()
    assert paused.returncode != 0
    ready = partial(cluster.kubectl, "get", "--raw=/readyz", check=False)
    await becomes("readiness", lambda: ready().stdout, "ok")


def test_the_controllers_count_quotas(cluster: Cluster) -> None:
    cluster.kubectl("create", "quota", "few", "--hard=configmaps=5")
    try:
        counted = "--for=jsonpath={.status.used.configmaps}=1"  # the root CA's configmap
        cluster.kubectl("wait", counted, "--timeout=120s", "quota/few")
    finally:
        cluster.kubectl("delete", "quota", "few")
