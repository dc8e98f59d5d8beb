"""`registry-admission doctor` on folders: output and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.doctor.finding import REMINDER
from app.doctor.resources import resources
from app.model.domain import ApiDomain
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, S3_KEYS, S3_SECRET, Manifest

from .doctor_runs import PENDING, kubeconfig, run
from .snapshots import healthy


def write(folder: Path, *manifests: Manifest) -> Path:
    """Write a folder as the commands of `doctor --dump-commands` do: a list for each kind."""
    for item in resources(ApiDomain()):
        found = [one for one in manifests if one["kind"] == item.kind]
        content = {"apiVersion": "v1", "kind": "List", "items": found}
        (folder / f"{item.full_name}.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_doctor_exits_with_0_without_findings(tmp_path: Path) -> None:
    answer = run("--state", write(tmp_path, *healthy()))
    assert answer.exit_code == 0, answer.output
    assert "Findings: error: 0, warning: 0, info: 0. Not checked: 1." in answer.output
    assert "Not checked: image data: the registry was not asked" in answer.output


def test_doctor_table_shows_problem_evidence_and_command(tmp_path: Path) -> None:
    answer = run("--state", write(tmp_path, *healthy(), PENDING))
    assert answer.exit_code == 1
    for words in (
        f"PersistentVolumeClaim {REGISTRY}/image-registry",
        "StorageClassMissing   it is Pending: StorageClass fast does not exist",
        "- asks for 10Gi, ReadWriteOnce, storageClassName fast",
        f"\n    kubectl -n {REGISTRY} describe pvc image-registry\n",
        f"\n{REMINDER}.\n",
        "Findings: error: 1, warning: 0, info: 0.",
    ):
        assert words in answer.output, answer.output


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_doctor_prints_findings_as_json_and_yaml(
    tmp_path: Path, output: str, read: Callable[[str], Any]
) -> None:
    answer = run("--state", write(tmp_path, *healthy(), PENDING), "-o", output)
    content = read(answer.output)
    [finding] = content["findings"]
    assert (finding["severity"], finding["reason"]) == ("error", "StorageClassMissing")
    assert finding["reminder"] == REMINDER
    assert content["summary"] == {"error": 1, "warning": 0, "info": 0}
    assert [item["check"] for item in content["notChecked"]] == ["image data"]


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1)])
def test_warnings_fail_only_on_request(tmp_path: Path, level: str, code: int) -> None:
    left = objects.config_map("registry-gateway-config", "cpaas-system", tag_count_limit="5")
    answer = run("--state", write(tmp_path, *healthy(), left), "--fail-on", level)
    assert (answer.exit_code, "LegacyLimits" in answer.output) == (code, True)


def test_doctor_reads_only_the_given_namespaces(tmp_path: Path) -> None:
    full = objects.quota({"alauda.io/image-tags": "1"}, image_tags="0")
    others = objects.quota({})
    others["metadata"] = {"name": "image-registry-quota", "namespace": "team-b"}
    healthy_objects = (item for item in healthy() if item["kind"] != full["kind"])
    folder = write(tmp_path, *healthy_objects, full, others)
    assert "QuotaExceeded" in run("--state", folder).output
    assert "QuotaExceeded" in run("--state", folder, "-n", "team-a").output
    assert "Findings: error: 0, warning: 0" in run("--state", folder, "-n", "team-b").output


def test_folder_without_lists_reports_missing_kinds(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([objects.on_s3(), PENDING]))
    answer = run("--state", tmp_path, "-o", "json")
    why = {item["check"]: item["why"] for item in json.loads(answer.output)["notChecked"]}
    assert why["PVs of the registry"].endswith("no PersistentVolume and no persistentvolumes.yaml")
    assert why["s3 credentials"].endswith(f"no Secret {REGISTRY}/{S3_SECRET}")
    assert "PVCs of the registry" in why


def test_secret_in_a_folder_is_checked_and_not_shown(tmp_path: Path) -> None:
    kept = objects.secret(S3_SECRET, REGISTRY, **dict(list(S3_KEYS.items())[:1]))
    (tmp_path / "some.yaml").write_text(yaml.safe_dump_all([objects.on_s3(), kept]))
    (tmp_path / "secrets.yaml").write_text(yaml.safe_dump({"kind": "List", "items": []}))
    answer = run("--state", tmp_path, "-o", "json")
    assert "CredentialsIncomplete" in answer.output
    assert "REGISTRY_STORAGE_S3_SECRETKEY" in answer.output
    for value in (*S3_KEYS.values(), *map(str.encode, kept["data"].values())):
        assert value.decode() not in answer.output


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.yaml", "kind: [", "a.yaml:1:"),
        ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: 7\n", "a.yaml:3: metadata"),
        ("a.yaml", "apiVersion: v1\nkind: Service\n", ": no object in this folder is checked"),
        ("a.txt", "", ": no object in this folder is checked"),
    ],
)
def test_a_folder_that_cannot_be_used_ends_with_3(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    answer = run("--state", tmp_path)
    assert answer.exit_code == 3
    assert problem in answer.output


def test_doctor_without_a_cluster_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(kubeconfig("http://127.0.0.1:1"))
    for arguments in (("--kubeconfig", tmp_path / "kubeconfig"), ("--kubeconfig", tmp_path / "no")):
        answer = run(*arguments)
        assert answer.exit_code == 3, answer.output
        assert "Error: " in answer.output


def test_dump_commands_quote_the_folder() -> None:
    printed = run("--dump-commands", "my dump").output
    assert printed.startswith("mkdir -p 'my dump'\n")
    assert "kubectl get pods -A -o yaml > 'my dump/pods.yaml'" in printed


def test_empty_list_in_utf_16_says_that_the_kind_was_read(tmp_path: Path) -> None:
    """PowerShell writes the output of kubectl in UTF-16."""
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([objects.on_s3(), PENDING]))
    empty = yaml.safe_dump({"apiVersion": "v1", "items": [], "kind": "List"})
    (tmp_path / "persistentvolumes.yaml").write_text(empty, encoding="utf-16")
    answer = run("--state", tmp_path, "-o", "json")
    checks = [item["check"] for item in json.loads(answer.output)["notChecked"]]
    assert "PVs of the registry" not in checks


def test_dump_commands_leave_out_secrets() -> None:
    printed = run("--dump-commands", "dump/").output
    pods = "kubectl get pods -A -o yaml > dump/pods.yaml"
    assert pods in printed.splitlines()
    assert "kubectl get secret" not in printed
    assert all(line.startswith(("mkdir ", "kubectl get ", "#")) for line in printed.splitlines())
