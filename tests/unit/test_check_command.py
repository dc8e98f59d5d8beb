"""`registry-admission check`: files are decided as if they were applied."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from app.cli.main import main
from tests import payloads
from tests.unit.test_cli import run


@pytest.mark.parametrize(("name", "code"), [("push-allowed", 0), ("push-too-large", 1)])
def test_check_decides_reviews(name: str, code: int) -> None:
    answer = run("check", str(payloads.FOLDER / f"{name}.json"), "--examples", "-o", "json")

    [result] = json.loads(answer.stdout)["items"]
    assert answer.exit_code == code
    assert result["allowed"] is (code == 0)
    assert result["object"] == "ImageStreamMapping team-a/app"


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_check_decides_manifests_and_names_file_and_line(tmp_path: Path, output: str) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n---\n"
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: team-a}\n"
        "spec: {hard: {alauda.io/image_tags: 5}}\n"
    )

    answer = run("check", str(file), "--examples", "-o", output)

    assert answer.exit_code == 1
    assert "alauda.io/image-tags" in answer.output
    if output != "table":
        results = yaml.safe_load(answer.stdout)["items"]
        assert [(result["line"], result["allowed"]) for result in results] == [
            (1, True),
            (5, False),
        ]


def verdicts(answer: Result) -> list[tuple[str, bool]]:
    return [(result["object"], result["allowed"]) for result in json.loads(answer.stdout)["items"]]


def manifest(kind: str, metadata: str, spec: str) -> str:
    group = "v1" if kind in ("LimitRange", "ResourceQuota") else "image.alauda.io/v1"
    return f"apiVersion: {group}\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n---\n"


ONE_STREAM = manifest("ResourceQuota", "name: q", "{hard: {alauda.io/imagestreams: 1}}")


TWO_STREAMS = "".join(manifest("ImageStream", f"name: {name}", "{}") for name in ("one", "two"))


def no_limits(folder: Path) -> None:
    folder.mkdir()
    (folder / "namespace.yaml").write_text(manifest("Namespace", "name: team-a", "{}"))


def test_check_counts_earlier_files(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(ONE_STREAM)
    (tmp_path / "streams.yaml").write_text(TWO_STREAMS)
    no_limits(tmp_path / "state")
    limits, streams = str(tmp_path / "limits.yaml"), str(tmp_path / "streams.yaml")

    answer = run(
        "check", limits, streams, streams, "--state", str(tmp_path / "state"), "-o", "json"
    )

    assert answer.exit_code == 1
    assert verdicts(answer) == [
        ("ResourceQuota default/q", True),
        *[("ImageStream default/one", True), ("ImageStream default/two", False)] * 2,
    ]


@pytest.mark.parametrize(
    ("first", "second_is_allowed"),
    [
        pytest.param({}, False, id="created"),
        pytest.param({"dryRun": True}, True, id="dry run"),
        pytest.param({"operation": "DELETE", "object": None}, True, id="deleted"),
    ],
)
def test_check_counts_reviews_that_store_an_object(
    first: dict[str, object], second_is_allowed: bool, tmp_path: Path
) -> None:
    (tmp_path / "limits.yaml").write_text(ONE_STREAM)
    no_limits(tmp_path / "state")
    files = [str(tmp_path / "limits.yaml")]
    for name, differences in (("one", first), ("two", {})):
        stream = yaml.safe_load(manifest("ImageStream", f"name: {name}", "{}").strip("-\n"))
        kind = {"group": "image.alauda.io", "version": "v1", "kind": "ImageStream"}
        request = {
            "uid": name, "kind": kind, "name": name, "namespace": "default",
            "operation": "CREATE", "object": stream, **differences,
        }  # fmt: skip
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        files.append(str(tmp_path / f"{name}.json"))
        Path(files[-1]).write_text(json.dumps({**review, "request": request}))

    answer = run("check", *files, "--state", str(tmp_path / "state"), "-o", "json")

    assert verdicts(answer)[1:] == [
        ("ImageStream default/one", True),
        ("ImageStream default/two", second_is_allowed),
    ]


def test_check_holds_an_image_against_a_limit_that_comes_with_it(tmp_path: Path) -> None:
    no_limits(tmp_path / "state")
    file = tmp_path / "limits.yaml"
    limit = "{limits: [{type: alauda.io/Image, max: {storage: 1Gi}}]}"
    file.write_text(manifest("LimitRange", "name: l, namespace: team-a", limit))
    push = str(payloads.FOLDER / "push-too-large.json")

    before = run("check", push, "--state", str(tmp_path / "state"))
    after = run("check", str(file), push, "--state", str(tmp_path / "state"))

    assert (before.exit_code, after.exit_code) == (0, 1)
    assert f"{push}:1: ImageStreamMapping team-a/app: requested usage of storage" in after.output


def test_check_reads_standard_input_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ONE_STREAM)
    (tmp_path / "b.yaml").write_text(TWO_STREAMS)
    (tmp_path / "notes.txt").write_text("none of our business")
    state = str(tmp_path / ".state")
    no_limits(Path(state))

    piped = CliRunner().invoke(
        main, ["check", "-", "--state", state, "-o", "json"], input=ONE_STREAM + TWO_STREAMS
    )
    folder = run("check", str(tmp_path), "--state", state, "-o", "json")

    assert [result["file"] for result in json.loads(piped.stdout)["items"]] == ["stdin"] * 3
    assert verdicts(piped) == verdicts(folder)
    assert piped.exit_code == folder.exit_code == 1


def test_check_names_empty_standard_input_as_in_its_table() -> None:
    answer = CliRunner().invoke(main, ["check", "-", "--examples"], input="")

    assert answer.stderr == "Error: stdin:1: there is no object in this file\n"


def test_check_tells_a_finding_of_mode_warn_once(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "quota.yaml").write_text(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: team-a, annotations: "
        "{registry-admission.alauda.io/mode: warn}}, "
        'spec: {hard: {alauda.io/imagestreams: "0"}}}'
    )
    (tmp_path / "stream.yaml").write_text(
        "{apiVersion: image.alauda.io/v1, kind: ImageStream, "
        f"metadata: {{name: {'a' * 60}, namespace: team-a}}}}"
    )

    answer = run("check", str(tmp_path / "stream.yaml"), "--state", str(tmp_path / "state"))

    assert answer.exit_code == 0
    assert answer.output.count("would be refused: ") == 1
    assert answer.output.count("or raise spec.hard of ResourceQuota team-a/q") == 1


def test_check_puts_objects_without_namespace_into_default(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "quota.yaml").write_text(ONE_STREAM)
    (tmp_path / "streams.yaml").write_text(TWO_STREAMS)

    answer = run("check", str(tmp_path / "streams.yaml"), "--state", str(tmp_path / "state"))

    assert answer.exit_code == 1
    assert "exceeded quota: q" in answer.output


def test_check_prints_a_replacement_that_can_be_copied() -> None:
    answer = run("check", str(payloads.FOLDER / "configmap-legacy.json"), "--examples")

    shown = answer.output[answer.output.index("---\n") :]
    assert [document["kind"] for document in yaml.safe_load_all(shown)][0:1] == ["LimitRange"]


def test_check_of_an_unreadable_file_has_its_own_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("kind: [")

    answer = run("check", str(file), "--examples")

    assert answer.exit_code == 3
    assert f"{file}:1: " in answer.output
