"""`registry-admission convert` on a cluster: the objects that it reads and applies."""

from pathlib import Path
from typing import Any

import pytest

from app.cluster.api import ConflictError, Content, KubeApi, Query
from tests.legacy_gateway import CONFIG_MAP
from tests.unit.conversions import DATA, EXACT, config_map, run
from tests.unit.listed_cluster import find


class Cluster(KubeApi):
    """An API server with ConfigMaps and namespaces, which records the applied objects."""

    def __init__(self, config_maps: list[dict[str, Any]], namespaces: dict[str, bool]) -> None:
        self.applied: list[tuple[str, Content, str, bool, bool]] = []
        self.taken: set[str] = set()
        self._config_maps = config_maps
        self._namespaces = namespaces

    def add(self, *namespaces: str) -> None:
        self._namespaces |= dict.fromkeys(namespaces, False)

    async def get(self, path: str, query: Query | None = None) -> Content:
        if path == "/api/v1/configmaps":
            field, _, name = (query or {})["fieldSelector"].partition("=")
            assert field == "metadata.name"
            found = [item for item in self._config_maps if item["metadata"]["name"] == name]
            return {"metadata": {}, "items": found}
        assert path == "/api/v1/namespaces"
        deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
        metadata = [
            {"name": name, **(deleted if going else {})} for name, going in self._namespaces.items()
        ]
        return {"metadata": {}, "items": [{"metadata": item} for item in metadata]}

    async def apply(self, path: str, content: Content, manager: str, **options: bool) -> Content:
        if path in self.taken:
            raise ConflictError(409, f"PATCH {path}: conflict with kubectl")
        force, dry_run = options.get("force", True), options.get("dry_run", False)
        self.applied.append((path, content, manager, force, dry_run))
        return content


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster(
        [config_map("image-registry-limit-config", **DATA)],
        {"team-a": False, "shared-x": False, "going": True},
    )
    find(fake, monkeypatch)
    return fake


def test_convert_reads_limits_and_namespaces_from_the_cluster(cluster: Cluster) -> None:
    answer = run("--from-cluster")
    assert answer.exit_code == 0
    assert answer.stdout == run("-", *EXACT, stdin=CONFIG_MAP).stdout
    assert cluster.applied == []


def test_apply_writes_objects_and_prints_a_summary(cluster: Cluster) -> None:
    answer = run("--from-cluster", "--apply", "--images-per-namespace", "7")

    assert answer.exit_code == 0
    assert answer.stdout == ""
    paths = [path for path, *_ in cluster.applied]
    assert [dry_run for *_, dry_run in cluster.applied] == [True] * 4 + [False] * 4
    assert paths[:4] == paths[4:]
    assert paths[4:] == [
        f"/api/v1/namespaces/{namespace}/{resource}"
        for namespace in ("shared-x", "team-a")
        for resource in (
            "limitranges/image-registry-limits",
            "resourcequotas/image-registry-quota",
        )
    ]
    assert {manager for _, _, manager, *_ in cluster.applied} == {"registry-admission"}
    assert not any(force for *_, force, _ in cluster.applied)
    assert cluster.applied[3][1]["spec"] == {"hard": {"alauda.io/images": "7"}}
    assert "4 of 4 objects applied." in answer.stderr


def test_dry_run_stores_nothing(cluster: Cluster) -> None:
    answer = run("-", "--dry-run=server", "--apply", stdin=CONFIG_MAP)
    assert answer.exit_code == 0
    assert [dry_run for *_, dry_run in cluster.applied] == [True, True]
    assert "2 of 2 objects would be applied." in answer.stderr


def test_nothing_is_written_if_one_object_would_be_refused(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/shared-x/limitranges/image-registry-limits"
    cluster.taken = {path}
    answer = run("--from-cluster", "--apply")
    assert answer.exit_code == 1
    assert [dry_run for *_, dry_run in cluster.applied] == [True]
    failure = (
        f"Failed: LimitRange shared-x/image-registry-limits: PATCH {path}: conflict with kubectl"
    )
    assert failure in answer.stderr
    assert "1 of 2 objects would be applied; nothing was written." in answer.stderr


def test_conflicts_are_overwritten_if_asked_for(cluster: Cluster) -> None:
    run("--from-cluster", "--apply", "--force-conflicts")
    assert {force for *_, force, _ in cluster.applied} == {True}


@pytest.mark.parametrize(
    ("arguments", "converted"),
    [
        ((), ["shared-x", "team-a"]),
        (("--exclude", "team-*"), ["shared-x"]),
        (("--namespaces", "default,kube-x,team-a", "--exclude", "team-*"), ["default", "kube-x"]),
    ],
)
def test_protected_namespaces_get_no_limits_unless_named(
    cluster: Cluster, arguments: tuple[str, ...], converted: list[str]
) -> None:
    cluster.add(
        "kube-system", "kube-public", "default", "image-registry-system", "registry-admission"
    )
    run("--from-cluster", "--apply", *arguments)
    applied = {path.split("/")[4] for path, *_ in cluster.applied}
    assert sorted(applied) == converted


def test_objects_carry_the_mode_that_was_asked_for(cluster: Cluster) -> None:
    run("--from-cluster", "--apply", "--mode", "warn", "--tags-per-namespace", "5")
    modes = [content["metadata"]["annotations"] for _, content, *_ in cluster.applied]
    assert modes == [{"registry-admission.alauda.io/mode": "warn"}] * 8


def test_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    answer = run("--from-cluster", "--kubeconfig", tmp_path / "none")
    assert answer.exit_code == 3
    assert f"there is no kubeconfig {tmp_path / 'none'}; name another with --kubeconfig" in (
        answer.stderr
    )
