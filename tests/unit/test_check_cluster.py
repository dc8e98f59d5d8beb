"""`registry-admission check` on the limits of a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.main import main
from tests import payloads
from tests.unit.listed_cluster import ListedCluster, find

TEAM = "/api/v1/namespaces/team-a"
STREAMS = "/apis/image.alauda.io/v1/namespaces/{}/imagestreams"
IMAGES = "/apis/image.alauda.io/v1/images"
DIGEST = "sha256:" + "d" * 64


def lists(namespace: str, **more: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    root = f"/api/v1/namespaces/{namespace}"
    return {
        f"{root}/limitranges": more.get("limits", []),
        f"{root}/resourcequotas": more.get("quotas", []),
        STREAMS.format(namespace): more.get("streams", []),
    }


def limit_range(size: str) -> dict[str, Any]:
    """The object as in a list: without its kind."""
    limits = [{"type": "alauda.io/Image", "max": {"storage": size}}]
    return {"metadata": {"name": "limits", "namespace": "team-a"}, "spec": {"limits": limits}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> ListedCluster:
    fake = ListedCluster({**lists("team-a", limits=[limit_range("2Gi")]), IMAGES: []})
    find(fake, monkeypatch)
    return fake


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def push(folder: Path, size: int) -> Path:
    content = {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStreamMapping",
        "metadata": {"name": "app", "namespace": "team-a"},
        "tag": "v1",
        "image": {"metadata": {"name": DIGEST}, "dockerImageMetadata": {"Size": size}},
    }
    path = folder / "push.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(("size", "code"), [(2**30, 0), (9_500_000_000, 1)])
def test_a_push_is_held_against_the_limits_of_the_cluster(
    cluster: ListedCluster, tmp_path: Path, size: int, code: int
) -> None:
    answer = check(push(tmp_path, size))
    assert answer.exit_code == code, answer.output
    assert ("maximum limit per alauda.io/Image" in answer.output) is bool(code)


def test_only_the_namespaces_of_the_files_are_read(cluster: ListedCluster, tmp_path: Path) -> None:
    check(push(tmp_path, 1))
    assert {path for path in cluster.asked if "namespaces" in path} == set(lists("team-a"))


def test_a_namespace_that_a_tag_refers_to_is_read_as_well(
    cluster: ListedCluster, tmp_path: Path
) -> None:
    history = {"tag": "big", "items": [{"image": DIGEST, "created": "2026-01-02T03:04:05Z"}]}
    origin = {"metadata": {"name": "base", "namespace": "team-b"}, "status": {"tags": [history]}}
    cluster.lists |= lists("team-b", streams=[origin])
    cluster.lists[IMAGES] = [{"metadata": {"name": DIGEST}, "dockerImageMetadata": {"Size": 2**32}}]
    source = {"kind": "ImageStreamTag", "name": "base:big", "namespace": "team-b"}
    content = {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": "team-a"},
        "spec": {"tags": [{"name": "v1", "from": source}]},
    }
    (tmp_path / "stream.json").write_text(json.dumps(content))
    answer = check(tmp_path / "stream.json")
    assert answer.exit_code == 1, answer.output
    assert "(4Gi > 2Gi)" in answer.output


def test_a_cluster_that_may_not_be_read_is_no_verdict(cluster: ListedCluster) -> None:
    cluster.forbidden = {f"{TEAM}/limitranges"}
    answer = check(payloads.FOLDER / "push-allowed.json")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "forbidden" in answer.stderr
