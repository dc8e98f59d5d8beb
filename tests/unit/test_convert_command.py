"""`registry-admission convert`: input, output and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.legacy_gateway import CONFIG_MAP
from tests.unit.conversions import DATA, EXACT, config_map, run

MIXED = ("--namespaces", "team-a,team-b")


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG_MAP)
    return path


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
    assert "a LimitRange does not: --template" in answer.stderr
    assert "No ResourceQuota" in answer.stderr


def test_an_approximation_ends_with_1_and_is_explained(gateway: Path) -> None:
    answer = run(gateway, *MIXED)

    assert answer.exit_code == 1
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
        "maxImageSize": "100Mi",
        "tagCountLimit": 3,
        "sources": [
            {
                "name": "rules[0] '^team-a/.+'",
                "maxImageSize": "100Mi",
                "tagCountLimit": 3,
                "example": "team-a/a",
                "problem": "",
            }
        ],
        "changes": [],
    }
    assert (team_b["exact"], len(team_b["sources"]), len(team_b["changes"])) == (False, 2, 2)
    assert report["undecidedRules"] == {}
    assert "rules[3] '^shared-.*/'" in report["unusedRules"]
    assert report["applied"] == []


def test_keys_that_are_not_converted_are_named() -> None:
    content = {**DATA, "max_image_sizes": "5GB", "config.yaml": "max_image_size: 5GB"}
    found = config_map("registry-gateway-config", **content)

    answer = run("-", *EXACT, stdin=json.dumps(found))
    report = json.loads(run("-", *EXACT, "-o", "json", stdin=json.dumps(found)).stderr)

    assert answer.exit_code == 0
    for key in ("max_image_sizes", "config.yaml"):
        assert f"Not converted: {key}: the gateway does not read it" in answer.stderr
    assert report["unreadKeys"] == ["max_image_sizes", "config.yaml"]


def test_everything_that_cannot_be_read_is_named() -> None:
    content = {"max_image_size": "5G", "rules": "- {path: ^a/}\n- {limit: {}}"}

    answer = run("-", *EXACT, stdin=json.dumps(config_map("registry-gateway-config", **content)))

    assert answer.exit_code == 3
    for problem in ("max_image_size: '5G'", "rules[0]: must be a mapping", "rules[1].path"):
        assert problem in answer.stderr


def test_convert_reads_a_config_map_list_from_standard_input() -> None:
    alerts = config_map("alerts", "monitoring", rules="groups: []")
    listed = {"kind": "List", "items": [alerts, config_map("registry-gateway-config", **DATA)]}
    answer = run("-", *EXACT, stdin=json.dumps(listed))
    assert answer.exit_code == 0
    assert answer.stdout.count("kind: LimitRange") == 2


def test_convert_writes_one_file_for_each_namespace(gateway: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "limits"
    answer = run(gateway, *EXACT, "--out", out)
    assert answer.stdout == ""
    assert sorted(path.name for path in out.iterdir()) == ["shared-x.yaml", "team-a.yaml"]
    [limit_range] = yaml.safe_load_all((out / "team-a.yaml").read_text())
    assert limit_range["metadata"] == {"name": "image-registry-limits", "namespace": "team-a"}


def test_the_template_overwrites_the_limits_of_no_namespace(gateway: Path, tmp_path: Path) -> None:
    names = "template,team-a"
    alone, both = tmp_path / "alone", tmp_path / "both"
    run(gateway, "--namespaces", names, "--out", alone)
    run(gateway, "--namespaces", names, "--template", "--out", both)

    written = {path.name: path.read_text() for path in both.iterdir()}

    assert yaml.safe_load(written.pop("_template.yaml"))["kind"] == "ConfigMap"
    assert written == {path.name: path.read_text() for path in alone.iterdir()}


def test_convert_reads_namespaces_from_a_file(gateway: Path, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("team-a\n\n  shared-x \n")
    answer = run(gateway, "--namespaces-file", tmp_path / "names")
    assert answer.stdout == run(gateway, *EXACT).stdout


@pytest.mark.parametrize(
    "content",
    [
        b"team-a\r\n\r\nshared-x\r\n",
        b"\xef\xbb\xbfteam-a\nshared-x",
        b"# our teams\nteam-a\n  # more\nshared-x\n",
        b"namespace/team-a\nnamespace/shared-x\n",
        b"team-a\nshared-x\nteam-a\n",
    ],
    ids=["Windows", "byte order mark", "comments", "kubectl -o name", "twice"],
)
def test_convert_reads_lists_of_namespaces_of_any_origin(
    gateway: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "names").write_bytes(content)
    answer = run(gateway, "--namespaces-file", tmp_path / "names")
    assert answer.stdout == run(gateway, *EXACT).stdout


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it names no namespace; write one a line"),
        (b"\n# nobody\n", "it names no namespace; write one a line"),
        (
            b"team-a\nTeam_B\n",
            "line 2: 'Team_B' is not the name of a namespace: use a-z, 0-9 and -",
        ),
        (b"namespace/\n", "line 1: '' is not the name of a namespace: use a-z, 0-9 and -"),
        (b"team-\xff\n", "not text in UTF-8"),
        (b"team-a,team-b\n", "line 1: 'team-a,team-b' is not the name of a namespace: use a-z"),
    ],
    ids=str,
)
def test_a_list_of_namespaces_that_cannot_be_read_is_never_taken_for_all(
    gateway: Path, tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "names").write_bytes(content)
    answer = run(gateway, "--namespaces-file", tmp_path / "names")
    assert answer.exit_code == 3
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"Error: {tmp_path / 'names'}: {problem}")


def test_without_namespaces_convert_uses_those_named_by_rules(gateway: Path) -> None:
    answer = run(gateway)
    objects = list(yaml.safe_load_all(answer.stdout))
    assert [item["metadata"]["namespace"] for item in objects] == ["closed", "team-a", "team-b"]
    assert "No namespaces were listed" in answer.stderr


def test_convert_options_change_units_domain_and_quota(gateway: Path) -> None:
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


def test_regex_text_cannot_leave_the_yaml_comment() -> None:
    path = '"a**\\n---\\nkind: Pod #\\e"'
    data = {"rules": f"- path: {path}\n  limit: {{max_image_size: 1B, tag_count_limit: 1}}"}
    content = config_map("registry-gateway-config", **data)
    answer = run("-", "--namespaces", "team-a", stdin=json.dumps(content))
    assert [item["kind"] for item in yaml.safe_load_all(answer.stdout)] == ["LimitRange"]
    assert answer.exit_code == 1
