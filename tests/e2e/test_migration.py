"""An afternoon's work: 300 namespaces come from the legacy gateway to Registry v2's limits."""

import json
from collections.abc import Iterator

import pytest
import yaml

from . import commands
from .cluster import Cluster, build_tools
from .domain import DOMAIN

pytestmark = pytest.mark.e2e

COUNT = 300
NAMESPACES = [f"legacy-{number:03}" for number in range(COUNT)]
"""The first two hundred have a rule of their own, the others the defaults."""
CROWDED = "legacy-007"
LIMITS = "limitrange/image-registry-limits"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of its own: hundreds of namespaces take other tests, and their end, minutes."""
    with Cluster(build_tools(), tmp_path_factory.mktemp("migration")) as running:
        running.install_crds()
        yield running


@pytest.fixture(scope="module", autouse=True)
def legacy(cluster: Cluster) -> None:
    """A gateway's ConfigMap, and one namespace with more tags than its rule allows."""
    rules = [
        {"path": f"^{name}/.*", "limit": {"max_image_size": "100MB", "tag_count_limit": "3"}}
        for name in NAMESPACES[:200]
    ]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "image-registry-limit-config", "namespace": "default"},
        "data": {"rules": yaml.safe_dump(rules)},
    }
    stream = {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": CROWDED},
        "spec": {"tags": [{"name": f"v{number}"} for number in range(5)]},
    }
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES
    ]
    text = yaml.dump_all([*objects, config_map, stream], Dumper=yaml.CSafeDumper)
    cluster.kubectl("create", "-f", "-", input=text)


def test_migration_from_audit_to_enforcement(cluster: Cluster) -> None:
    chosen = ("--from-cluster", "--namespaces", ",".join(NAMESPACES))
    converted = commands.run(cluster, "convert", *chosen)
    assert converted.returncode == 0, converted.stderr
    assert "300 namespaces: 300 exact, 0 approximate." in converted.stderr
    assert commands.run(cluster, "convert", *chosen).stdout == converted.stdout

    audited = commands.run(
        cluster, "audit", "--proposed", "-", "-o", "json", stdin=converted.stdout
    )
    assert audited.returncode == 1, audited.stderr
    over = {
        item["namespace"]: item["over"]
        for item in json.loads(audited.stdout)["items"]
        if item["over"]
    }
    [level] = over.pop(CROWDED)
    assert (level["used"], level["hard"], level["over"]) == (5, 3, 2)
    assert not set(NAMESPACES) & set(over)

    tried = commands.run(cluster, "convert", *chosen, "--dry-run=server")
    assert "300 of 300 objects would be applied." in tried.stderr
    assert cluster.kubectl("-n", CROWDED, "get", LIMITS, check=False).returncode == 1
    applied = commands.run(cluster, "convert", *chosen, "--apply")
    assert applied.returncode == 0, applied.stderr
    assert "300 of 300 objects applied." in applied.stderr

    again = commands.run(cluster, "audit", *(f"-n{name}" for name in NAMESPACES[:10]), "-o", "json")
    assert again.returncode == 1, again.stderr
    assert [item["namespace"] for item in json.loads(again.stdout)["items"] if item["over"]] == [
        CROWDED
    ]
