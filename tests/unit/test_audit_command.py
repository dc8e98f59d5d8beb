"""`registry-admission audit`: input, output and exit codes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app.cli.main import main

DIGESTS = {name: "sha256:" + name * 64 for name in "abcdef"}
HOSTILE = "<script>alert(1)</script>"


def stream(name: str, **tags: str) -> dict[str, Any]:
    history = [
        {
            "tag": tag,
            "items": [{"image": DIGESTS[char], "created": f"2026-0{number}-02T03:04:05Z"}],
        }
        for number, (tag, char) in enumerate(tags.items(), 1)
    ]
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": "team-a"},
        "status": {"tags": history},
    }


def image(char: str, size: int) -> dict[str, Any]:
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "Image",
        "metadata": {"name": DIGESTS[char]},
        "dockerImageMetadata": {"Size": size},
    }


def limit_range(storage: str, tags: str) -> dict[str, Any]:
    items = [
        {"type": "alauda.io/Image", "max": {"storage": storage}},
        {"type": "alauda.io/ImageStream", "max": {"alauda.io/image-tags": tags}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "image-registry-limits", "namespace": "team-a"},
        "spec": {"limits": items},
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    objects = [stream("app", v1="a", v2="b"), stream(HOSTILE, v1="c"), image("a", 3 * 2**20)]
    (folder / "state.yaml").write_text(yaml.safe_dump_all([*objects, limit_range("4Mi", "2")]))
    return folder


@pytest.fixture
def proposed(tmp_path: Path) -> Path:
    folder = tmp_path / "proposed"
    folder.mkdir()
    (folder / "team-a.yaml").write_text(yaml.safe_dump(limit_range("2Mi", "1")))
    other = limit_range("1", "1")
    other["metadata"]["namespace"] = "team-b"
    (folder / "team-b.yaml").write_text(yaml.safe_dump(other))
    return folder


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["audit", *map(str, arguments)], stdin)


def test_audit_exits_with_0_within_the_limits(state: Path) -> None:
    answer = run("--state", state)
    assert answer.exit_code == 0
    assert "1 namespace: 0 over a limit." in answer.output


def test_audit_exits_with_1_if_proposed_limits_are_exceeded(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed)
    assert answer.exit_code == 1
    for words in (
        r"team-a +high +2 +ImageStream app +tags +2 +1 +LimitRange image-registry-limits",
        r"Images of unknown size: team-a \(2\)",
        r"2 namespaces: 1 over a limit.\n`audit NAMESPACE` or `--details` lists everything",
    ):
        assert re.search(words, answer.output), words


def test_an_image_names_three_of_its_tags(tmp_path: Path) -> None:
    objects = [stream("app", v1="a", v2="a", v3="a", v4="a"), image("a", 3 * 2**20)]
    (tmp_path / "state.yaml").write_text(yaml.safe_dump_all([*objects, limit_range("1Mi", "9")]))
    assert "(app:v1, app:v2, app:v3 and 1 more)" in run("--state", tmp_path, "--details").stdout
    assert "(app:v1, app:v2, app:v3, app:v4)" in run("--state", tmp_path, "-o", "wide").stdout


def test_details_are_not_advertised_where_they_are_shown(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed, "--details")
    assert answer.stderr.endswith("2 namespaces: 1 over a limit.\n")


def test_audit_table_lists_exceeded_limits_worst_first(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed, "-n", "team-a")
    for words in (
        r"team-a +high +1 +ImageStream app +tags +2 +1 +LimitRange image-registry-limits",
        r"team-a +medium +1 MiB +Image sha256:a{12} \(app:v1\) +storage +3 MiB +2 MiB ",
        r"team-a: 3 MiB sha256:a{64} \(app:v1\)",
        r"team-a: app:v1 was last pushed 2026-01-02\n.*app:v2 was last pushed 2026-02-02",
    ):
        assert re.search(words, answer.output), words


def test_proposed_limits_are_read_from_standard_input(state: Path) -> None:
    answer = run("--state", state, "--proposed", "-", stdin=yaml.safe_dump(limit_range("2Mi", "9")))
    assert answer.exit_code == 1
    assert "Image sha256:aaaaaaaaaaaa (app:v1)   storage    3 MiB   2 MiB " in answer.output


def test_empty_standard_input_is_an_error(state: Path) -> None:
    answer = run("--state", state, "--proposed", "-")
    assert answer.exit_code == 3
    assert answer.stderr == "Error: stdin:1: there is no object in this file\n"


def test_proposed_file_without_a_limit_is_named(state: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(stream("app", v1="a")))
    answer = run("--state", state, "--proposed", tmp_path / "other.yaml")
    assert answer.exit_code == 3
    problem = "there is no LimitRange and no ResourceQuota in it"
    assert answer.stderr == f"Error: --proposed {tmp_path / 'other.yaml'}: {problem}\n"


@pytest.mark.parametrize(
    ("name", "over"), [("image-registry-limits", 0), ("others", 1)], ids=["same name", "another"]
)
def test_proposed_object_replaces_the_object_with_its_name(
    state: Path, name: str, over: int
) -> None:
    (state / "tight.yaml").write_text(yaml.safe_dump(limit_range("1Mi", "9")))
    (state / "state.yaml").write_text(
        yaml.safe_dump_all([stream("app", v1="a"), image("a", 3 * 2**20)])
    )
    loose = limit_range("9Mi", "9")
    loose["metadata"]["name"] = name
    answer = run("--state", state, "--proposed", "-", stdin=yaml.safe_dump(loose))
    assert answer.exit_code == over


def with_layers(char: str, **layers: int) -> dict[str, Any]:
    found = [{"name": f"sha256:{name:064}", "size": size} for name, size in layers.items()]
    return {**image(char, sum(layers.values())), "dockerImageLayers": found}


def test_audit_shows_what_images_store(tmp_path: Path) -> None:
    """Images a and b share a layer. The layers of image c are unknown."""
    objects = [
        stream("app", v1="a", v2="b"),
        stream("web", v1="a", v2="c"),
        with_layers("a", base=2**20, one=2**10),
        with_layers("b", base=2**20, two=2**11),
        limit_range("4Mi", "1"),
    ]
    (tmp_path / "state.yaml").write_text(yaml.safe_dump_all(objects))

    [item] = json.loads(run("--state", tmp_path, "--bytes", "-o", "json").stdout)["items"]
    assert item["stored"] == {"bytes": 2**20 + 3 * 2**10, "unknownImages": 1}
    assert item["storedByStream"] == {
        "app": {"bytes": 2**20 + 3 * 2**10, "unknownImages": 0},
        "web": {"bytes": 2**20 + 2**10, "unknownImages": 1},
    }
    overview = run("--state", tmp_path, "--bytes").stdout
    assert re.search(r" LIMITED-BY +STORED\n.* image-registry-limits +≥1 MiB\n", overview)
    details = run("--state", tmp_path, "--bytes", "team-a").stdout
    assert re.search(r"\nteam-a +app +1 MiB +0\nteam-a +web +≥1 MiB +1\n", details)
    unasked = run("--state", tmp_path, "-o", "json").stdout
    assert json.loads(unasked)["items"][0]["stored"] is None


def test_audit_prints_policy_reports(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed, "-o", "policyreport")
    reports = list(yaml.safe_load_all(answer.stdout))
    assert [report["metadata"]["namespace"] for report in reports] == ["team-a", "team-b"]
    assert [report["summary"]["fail"] for report in reports] == [2, 0]
    assert "&id" not in answer.stdout


@pytest.mark.parametrize("arguments", [("--apply",), ("--apply", "-o", "policyreport")])
def test_apply_needs_policy_reports_and_a_cluster(state: Path, arguments: tuple[str, ...]) -> None:
    answer = run("--state", state, *arguments)
    assert answer.exit_code == 2
    assert "--apply needs a cluster: use neither --state nor --examples" in answer.output


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_report_for_scripts(
    state: Path, proposed: Path, output: str, load: Callable[[str], Any]
) -> None:
    answer = run("--state", state, "--proposed", proposed / "team-a.yaml", "-o", output)
    source = "LimitRange image-registry-limits"
    [report] = load(answer.stdout)["items"]
    assert report == {
        "namespace": "team-a",
        "severity": "high",
        "over": [
            {
                "kind": "ImageStream", "name": "app", "resource": "alauda.io/image-tags",
                "used": 2, "hard": 1, "over": 1, "severity": "high", "limitedBy": source,
            },
            {
                "kind": "Image", "name": DIGESTS["a"], "tags": ["app:v1"], "resource": "storage",
                "used": 3 * 2**20, "hard": 2 * 2**20, "over": 2**20, "severity": "medium",
                "limitedBy": source,
            },
        ],
        "unlimited": False,
        "unknownSizes": 2,
        "stored": None,
        "storedByStream": {},
        "largest": [{"digest": DIGESTS["a"], "bytes": 3 * 2**20, "tags": ["app:v1"]}],
        "oldest": [
            {"tag": "app:v1", "pushed": "2026-01-02T03:04:05+00:00"},
            {"tag": "app:v2", "pushed": "2026-02-02T03:04:05+00:00"},
        ],
    }  # fmt: skip


def test_audit_reads_only_the_given_namespace(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed, "-n", "team-b", "-o", "json")
    assert [item["namespace"] for item in json.loads(answer.stdout)["items"]] == ["team-b"]
    assert answer.exit_code == 0


def test_html_report_is_one_file_and_escapes_names(state: Path, proposed: Path) -> None:
    strict = yaml.safe_dump(limit_range("1", "0"))
    (proposed / "team-a.yaml").write_text(strict)
    page = run("--state", state, "--proposed", proposed, "-o", "html").stdout
    assert HOSTILE not in page
    assert page.count("<script") == 1  # the search of the file itself
    assert "&lt;script&gt;alert(1)&lt;/script&gt;, alauda.io/<wbr>image-tags" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert "prefers-color-scheme: dark" in page
    assert "1 of 2 namespaces over a limit" in page
    assert "<li>team-b" in page


def test_a_file_that_cannot_be_read_ends_with_3(state: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")
    answer = run("--state", state, "--proposed", tmp_path / "bad.yaml")
    assert answer.exit_code == 3
    assert f"{tmp_path / 'bad.yaml'}:1: " in answer.output
