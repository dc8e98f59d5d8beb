"""300 namespaces move from the limits of the legacy gateway to those of Registry v2."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from . import commands
from .cluster import Cluster, build_tools
from .domain import API, DOMAIN
from .observed import becomes
from .replicas import Replicas

pytestmark = pytest.mark.e2e

COUNT = 300
"""docs/how-to/convert.md has the times for this number."""
NAMESPACES = [f"legacy-{number:03}" for number in range(COUNT)]
"""The first two hundred have a rule of their own, the others the defaults."""
CROWDED = "legacy-007"
LIMITS = "limitrange/image-registry-limits"
CHOSEN = ("--from-cluster", "--namespaces", ",".join(NAMESPACES))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for this test alone: other tests would be slow with hundreds of namespaces."""
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


def test_migration_from_audit_to_applied_limits(cluster: Cluster) -> None:
    converted = commands.run(cluster, "convert", *CHOSEN)
    assert converted.returncode == 0, converted.stderr
    assert "300 namespaces: 300 exact, 0 approximate." in converted.stderr
    assert commands.run(cluster, "convert", *CHOSEN).stdout == converted.stdout

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

    tried = commands.run(cluster, "convert", *CHOSEN, "--dry-run=server")
    assert "300 of 300 objects would be applied." in tried.stderr
    assert cluster.kubectl("-n", CROWDED, "get", LIMITS, check=False).returncode == 1
    applied = commands.run(cluster, "convert", *CHOSEN, "--apply")
    assert applied.returncode == 0, applied.stderr
    assert "300 of 300 objects applied." in applied.stderr

    again = commands.run(cluster, "audit", *(f"-n{name}" for name in NAMESPACES[:10]), "-o", "json")
    assert again.returncode == 1, again.stderr
    assert [item["namespace"] for item in json.loads(again.stdout)["items"] if item["over"]] == [
        CROWDED
    ]


def tag(cluster: Cluster, namespace: str, name: str) -> subprocess.CompletedProcess[str]:
    """Add a tag to the crowded stream, or to one of another namespace, as a dry run."""
    stream = {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {"tags": [{"name": f"v{number}"} for number in range(5)] + [{"name": name}]},
    }
    chosen = ("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--filename=-")
    return cluster.kubectl(*chosen, input=yaml.safe_dump(stream), check=False)


async def verdicts(cluster: Cluster, **wanted: str) -> None:
    """Wait for these decisions by namespace: `refused`, `warned` or `allowed`."""

    def seen() -> dict[str, str]:
        found = {}
        for name in wanted:
            tried = tag(cluster, name.replace("_", "-"), "more")
            warned = "Warning: would be refused: " in tried.stderr
            found[name] = "refused" if tried.returncode else "warned" if warned else "allowed"
        return found

    await becomes("the verdicts", seen, wanted)


async def test_migration_from_warning_to_enforcement_and_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    assert commands.run(cluster, "convert", *CHOSEN, "--mode", "warn", "--apply").returncode == 0
    with Replicas(cluster, tmp_path, 1):
        await verdicts(cluster, legacy_007="warned", legacy_008="warned", legacy_250="allowed")

        cluster.kubectl(
            "-n", CROWDED, "annotate", "--overwrite", LIMITS, f"{API.mode_annotation}=enforce"
        )
        await verdicts(cluster, legacy_007="refused", legacy_008="warned")

        enforced = commands.run(cluster, "convert", *CHOSEN, "--mode", "enforce", "--apply")
        assert enforced.returncode == 0, enforced.stderr
        assert "300 of 300 objects applied." in enforced.stderr
        await verdicts(cluster, legacy_007="refused", legacy_008="refused", legacy_250="allowed")
        stored = cluster.kubectl("-n", CROWDED, "get", f"imagestreams.image.{DOMAIN}", "app")
        assert stored.returncode == 0, "nothing is deleted"

        back = ("--mode", "warn", "--apply", "--force-conflicts")
        assert commands.run(cluster, "convert", *CHOSEN, *back).returncode == 0
        await verdicts(cluster, legacy_007="warned", legacy_008="warned")
