"""`registry-admission convert`: what goes in, what comes out, and how it ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app.cli.main import main
from app.cluster import connection
from app.cluster.api import ConflictError, Content, KubeApi, Query
from tests.legacy_gateway import CONFIG_MAP

EXACT = ("--namespaces", "team-a,shared-x")
MIXED = ("--namespaces", "team-a,team-b")
DATA = yaml.safe_load(CONFIG_MAP)["data"]


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["convert", *map(str, arguments)], stdin)


def config_map(name: str, namespace: str = "cpaas-system", **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG_MAP)
    return path


class Cluster(KubeApi):
    """An API server that has ConfigMaps and namespaces, and remembers what is applied."""

    def __init__(self, config_maps: list[dict[str, Any]], namespaces: dict[str, bool]) -> None:
        self.applied: list[tuple[str, Content, str, bool, bool]] = []
        self.taken: set[str] = set()
        self._config_maps = config_maps
        self._namespaces = namespaces

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

    async def apply(
        self,
        path: str,
        content: Content,
        manager: str,
        *,
        force: bool = True,
        dry_run: bool = False,
    ) -> Content:
        if path in self.taken:
            raise ConflictError(409, f"PATCH {path}: conflict with kubectl")
        self.applied.append((path, content, manager, force, dry_run))
        return content


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster(
        [config_map("image-registry-limit-config", **DATA)],
        {"team-a": False, "shared-x": False, "going": True},
    )

    @asynccontextmanager
    async def connected(kubeconfig: Path | None, context: str | None) -> AsyncIterator[KubeApi]:
        yield fake

    monkeypatch.setattr(connection, "connected", connected)
    return fake


def test_a_file_becomes_manifests_on_stdout_and_a_report_on_stderr(gateway: Path) -> None:
    answer = run(gateway, *EXACT)

    assert answer.exit_code == 0
    assert answer.stdout == (
        "---\n"
        "# Namespace shared-x: rules[3] '^shared-.*/'\n"
        "apiVersion: v1\n"
        "kind: LimitRange\n"
        "metadata:\n"
        "  name: image-registry-limits\n"
        "  namespace: shared-x\n"
        "spec:\n"
        "  limits:\n"
        "  - type: alauda.io/Image\n"
        "    max:\n"
        "      storage: 1536Mi\n"
        "  - type: alauda.io/ImageStream\n"
        "    max:\n"
        "      alauda.io/image-tags: '4'\n"
        "---\n"
        "# Namespace team-a: rules[0] '^team-a/.+'\n"
        "apiVersion: v1\n"
        "kind: LimitRange\n"
        "metadata:\n"
        "  name: image-registry-limits\n"
        "  namespace: team-a\n"
        "spec:\n"
        "  limits:\n"
        "  - type: alauda.io/Image\n"
        "    max:\n"
        "      storage: 100Mi\n"
        "  - type: alauda.io/ImageStream\n"
        "    max:\n"
        "      alauda.io/image-tags: '3'\n"
    )
    assert "2 namespaces: 2 exact, 0 approximate." in answer.stderr
    assert "Applies to none of these namespaces: rules[2] '^team-b/'" in answer.stderr
    assert "One GB is read as 2^30 bytes" in answer.stderr
    assert "namespaces that do not exist yet" in answer.stderr
    assert "No ResourceQuota" in answer.stderr


def test_an_approximation_ends_with_3_and_is_explained(gateway: Path) -> None:
    answer = run(gateway, *MIXED)

    assert answer.exit_code == 3
    change = (
        "repositories such as team-b/big/app (rules[1] '^team-b/big/.*') "
        "may have 5 tags instead of 2"
    )
    assert f"# {change}\n" in answer.stdout
    assert change in answer.stderr


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_report_for_scripts(gateway: Path, output: str, load: Any) -> None:
    report = load(run(gateway, *MIXED, "-o", output).stderr)

    assert report["exact"] is False
    team_a, team_b = report["namespaces"]
    assert team_a == {
        "namespace": "team-a",
        "exact": True,
        "max_image_size": "100Mi",
        "tag_count_limit": 3,
        "sources": [
            {
                "name": "rules[0] '^team-a/.+'",
                "max_image_size": "100Mi",
                "tag_count_limit": 3,
                "example": "team-a/a",
                "problem": "",
            }
        ],
        "changes": [],
    }
    assert (team_b["exact"], len(team_b["sources"]), len(team_b["changes"])) == (False, 2, 2)
    assert report["undecided_rules"] == {}
    assert "rules[3] '^shared-.*/'" in report["unused_rules"]
    assert report["applied"] == []


def test_standard_input_and_a_list_of_every_config_map() -> None:
    alerts = config_map("alerts", "monitoring", rules="groups: []")
    listed = {"kind": "List", "items": [alerts, config_map("registry-gateway-config", **DATA)]}
    answer = run("-", *EXACT, stdin=json.dumps(listed))
    assert answer.exit_code == 0
    assert answer.stdout.count("kind: LimitRange") == 2


def test_one_file_for_each_namespace(gateway: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "limits"
    answer = run(gateway, *EXACT, "--out", out)
    assert answer.stdout == ""
    assert sorted(path.name for path in out.iterdir()) == ["shared-x.yaml", "team-a.yaml"]
    [limit_range] = yaml.safe_load_all((out / "team-a.yaml").read_text())
    assert limit_range["metadata"] == {"name": "image-registry-limits", "namespace": "team-a"}


def test_namespaces_from_a_file(gateway: Path, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("team-a\n\n  shared-x \n")
    answer = run(gateway, "--namespaces-file", tmp_path / "names")
    assert answer.stdout == run(gateway, *EXACT).stdout


def test_without_namespaces_those_that_a_rule_names_are_converted(gateway: Path) -> None:
    answer = run(gateway)
    objects = list(yaml.safe_load_all(answer.stdout))
    assert [item["metadata"]["namespace"] for item in objects] == ["closed", "team-a", "team-b"]
    assert "No namespaces were listed" in answer.stderr


def test_units_domain_quota_and_flat_repositories(gateway: Path) -> None:
    options = ("--size-unit", "decimal", "--api-domain", "openshift.io", "--flat")
    answer = run(gateway, "--namespaces", "team-b", *options, "--tags-per-namespace", "50")
    limit_range, quota = yaml.safe_load_all(answer.stdout)
    assert answer.exit_code == 0
    assert limit_range["spec"]["limits"] == [
        {"type": "openshift.io/Image", "max": {"storage": "500M"}},
        {"type": "openshift.io/ImageStream", "max": {"openshift.io/image-tags": "5"}},
    ]
    assert quota["metadata"] == {"name": "image-registry-quota", "namespace": "team-b"}
    assert quota["spec"] == {"hard": {"openshift.io/image-tags": "50"}}
    assert "One GB is read as 10^9 bytes" in answer.stderr
    assert "No ResourceQuota" not in answer.stderr


def test_what_a_regex_holds_stays_inside_the_comment() -> None:
    path = '"a**\\n---\\nkind: Pod #\\e"'
    data = {"rules": f"- path: {path}\n  limit: {{max_image_size: 1B, tag_count_limit: 1}}"}
    content = config_map("registry-gateway-config", **data)
    answer = run("-", "--namespaces", "team-a", stdin=json.dumps(content))
    assert [item["kind"] for item in yaml.safe_load_all(answer.stdout)] == ["LimitRange"]
    assert answer.exit_code == 3


OTHER = config_map("registry-gateway-config", tag_count_limit="5")


@pytest.mark.parametrize(
    ("documents", "arguments", "problem"),
    [
        ([], (), "no legacy ConfigMap found: it is named image-registry-limit-config or"),
        ([config_map("alerts", rules="groups: []")], (), "no legacy ConfigMap found"),
        (
            [config_map("registry-gateway-config", max_image_size="1 potato")],
            (),
            "max_image_size: '1 potato' is not a size",
        ),
        (
            [config_map("image-registry-limit-config", **DATA), OTHER],
            (),
            "cpaas-system/image-registry-limit-config and cpaas-system/registry-gateway-config "
            "differ: choose the one that the gateway reads with --config-map NAMESPACE/NAME",
        ),
        (
            [OTHER],
            ("--config-map", "a/b"),
            "there is no legacy ConfigMap a/b; found: cpaas-system/registry-gateway-config",
        ),
        ([OTHER], ("--namespaces", "Team_A"), "'Team_A' is not the name of a namespace"),
        ([OTHER], (), "no rule names a namespace: list them with --namespaces"),
    ],
)
def test_input_that_cannot_be_converted_ends_with_1(
    documents: list[dict[str, Any]], arguments: tuple[str, ...], problem: str
) -> None:
    answer = run("-", *arguments, stdin=yaml.safe_dump_all(documents))
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert problem in answer.stderr


def test_text_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: ConfigMap\ndata: [")
    assert f"{tmp_path / 'bad.yaml'}:2: " in run(tmp_path / "bad.yaml").stderr
    answer = run("-", stdin="kind: ConfigMap\ndata: [")
    assert (answer.exit_code, "stdin:2: " in answer.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [(), ("--from-cluster", "-")])
def test_the_config_map_comes_from_one_place(arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert "name a FILE with the ConfigMap, or use --from-cluster" in answer.stderr


def test_one_of_several_config_maps_is_chosen() -> None:
    documents = [config_map("image-registry-limit-config", **DATA), OTHER]
    chosen = ("--config-map", "cpaas-system/registry-gateway-config", "--namespaces", "team-a")
    answer = run("-", *chosen, stdin=yaml.safe_dump_all(documents))
    assert "alauda.io/image-tags: '5'" in answer.stdout


def test_everything_from_the_cluster(cluster: Cluster, gateway: Path) -> None:
    answer = run("--from-cluster")
    assert answer.exit_code == 0
    assert answer.stdout == run(gateway, *EXACT).stdout
    assert cluster.applied == []


def test_applying_with_a_summary(cluster: Cluster) -> None:
    answer = run("--from-cluster", "--apply", "--images-per-namespace", "7")

    assert answer.exit_code == 0
    assert answer.stdout == ""
    paths = [path for path, *_ in cluster.applied]
    assert paths == [
        f"/api/v1/namespaces/{namespace}/{resource}"
        for namespace in ("shared-x", "team-a")
        for resource in (
            "limitranges/image-registry-limits",
            "resourcequotas/image-registry-quota",
        )
    ]
    assert {tuple(rest) for _, _, *rest in cluster.applied} == {
        ("registry-admission", False, False)
    }
    assert cluster.applied[3][1]["spec"] == {"hard": {"alauda.io/images": "7"}}
    assert "4 of 4 objects applied." in answer.stderr


def test_a_dry_run_leaves_no_trace(cluster: Cluster, gateway: Path) -> None:
    answer = run(gateway, "--dry-run=server", "--apply")
    assert answer.exit_code == 0
    assert [dry_run for *_, dry_run in cluster.applied] == [True, True]
    assert "2 of 2 objects would be applied." in answer.stderr


def test_what_cannot_be_applied_is_named_and_the_rest_goes_on(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/shared-x/limitranges/image-registry-limits"
    cluster.taken = {path}
    answer = run("--from-cluster", "--apply")
    assert answer.exit_code == 1
    assert len(cluster.applied) == 1
    failure = (
        f"Failed: LimitRange shared-x/image-registry-limits: PATCH {path}: conflict with kubectl"
    )
    assert failure in answer.stderr
    assert "1 of 2 objects applied." in answer.stderr


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    answer = run("--from-cluster", "--kubeconfig", tmp_path / "none")
    assert answer.exit_code == 1
    assert "no cluster to talk to" in answer.stderr
    assert "--kubeconfig" in answer.stderr
