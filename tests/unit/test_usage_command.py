"""`registry-admission usage`: how full namespaces and streams are."""

import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.patience import PATIENCE
from tests.unit.usage_folder import STATE, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state.yaml").write_text(STATE)
    return tmp_path


def test_the_table_has_used_hard_left_and_percent(folder: Path) -> None:
    answer = run("--state", folder, "--streams")
    assert answer.exit_code == 0
    for words in (
        r"NAMESPACE +STREAM +RESOURCE +USED +IN-FLIGHT +HARD +LEFT +FULL +LIMITED-BY",
        r"team-a +- +streams +1 +\? +4 +3 +25% +ResourceQuota small",
        r"team-a +- +tags +2 +\? +1 +-1 +200% +ResourceQuota small",
        r"team-a +- +images +0 +\? +- +- +- +-",
        r"team-a +app +images +0 +\? +5 +5 +0% +LimitRange limits",
        r"team-b +web +tags +0 +\? +- ",
    ):
        assert re.search(words, answer.output), words


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_counts_for_scripts(folder: Path, output: str, load: Callable[[str], Any]) -> None:
    content = load(run("--state", folder, "-n", "team-a", "-o", output).stdout)
    assert (content["apiVersion"], content["kind"]) == ("registry-admission/v1", "UsageList")
    [report] = content["items"]
    assert report["namespace"] == "team-a"
    assert report["totals"][1] == {
        "resource": "alauda.io/image-tags", "used": 2, "inFlight": None, "hard": 1, "left": -1,
        "limitedBy": "ResourceQuota small",
    }  # fmt: skip
    assert report["streams"] == [
        {
            "stream": "app", "resource": "alauda.io/images", "used": 0, "inFlight": None,
            "hard": 5, "left": 5, "limitedBy": "LimitRange limits",
        },
        {
            "stream": "app", "resource": "alauda.io/image-tags", "used": 2, "inFlight": None,
            "hard": None, "left": None, "limitedBy": None,
        },
    ]  # fmt: skip


def test_a_folder_that_is_broken_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")
    answer = run("--state", tmp_path)
    assert answer.exit_code == 3
    assert f"{tmp_path / 'bad.yaml'}:1: " in answer.output


@contextmanager
def changing(path: Path, text: str) -> Iterator[None]:
    """Write a file again and again, because the start of the watch is not visible."""
    done = threading.Event()

    def write() -> None:
        new = path.with_suffix(".new")
        while not done.wait(0.3):
            new.write_text(text)
            new.replace(path)  # no reader sees a part of it

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def test_a_watch_prints_again_and_survives_a_broken_file(folder: Path) -> None:
    command = [sys.executable, "-m", "app", "usage", "--state", str(folder), "-o", "json", "-w"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(PATIENCE, watching.kill)
    guard.start()
    assert watching.stdout is not None
    reports = iter(watching.stdout.readline, "")

    def tags() -> int:
        """The tags of team-a in the next report."""
        report = "".join(itertools.takewhile(lambda line: line != "}\n", reports)) + "}"
        used: int = json.loads(report)["items"][0]["totals"][1]["used"]
        return used

    try:
        assert tags() == 2
        with changing(folder / "state.yaml", "kind: ["):
            assert tags() == 2
        with changing(folder / "state.yaml", STATE.replace(", {name: v2}", "")):
            while tags() != 1:
                pass
    finally:
        guard.cancel()
        watching.kill()
    assert f"Note: {folder / 'state.yaml'}:1: " in watching.communicate()[1]


def test_usage_lists_namespaces_fullest_first(folder: Path) -> None:
    answer = run("--state", folder, "-o", "wide")
    assert answer.stdout == (
        "NAMESPACE   STREAMS   IMAGES   TAGS   IN-FLIGHT   FULL   FULLEST   "
        "LIMITED-BY            IN-ESCROW\n"
        "team-a      1/4       0        2/1    ?           200%   tags      "
        "ResourceQuota small   ?\n"
        "team-b      1         0        0      ?           -      -         "
        "-                     ?\n"
    )
    assert answer.stderr == "2 namespaces: 1 over a limit.\n"


def test_a_table_without_headings_has_only_its_rows(folder: Path) -> None:
    assert run("--state", folder, "--no-headers").stdout.split()[0] == "team-a"


def test_names_are_for_kubectl(folder: Path) -> None:
    answer = run("--state", folder, "-A", "-o", "name", "--sort-by", "name")
    assert answer.stdout == "namespace/team-a\nnamespace/team-b\n"


@pytest.mark.parametrize("arguments", [("team-a",), ("-n", "team-a"), ("team-a", "-n", "team-a")])
def test_a_namespace_is_named_either_way(folder: Path, arguments: tuple[str, ...]) -> None:
    answer = run("--state", folder, *arguments, "-o", "name")
    assert answer.stdout == "namespace/team-a\n"


def test_a_namespace_that_does_not_exist_is_an_error(folder: Path) -> None:
    answer = run("--state", folder, "team-x")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "has nothing of namespace team-x" in answer.stderr


def test_a_folder_without_manifests_is_an_error(tmp_path: Path) -> None:
    answer = run("--state", tmp_path)
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "there is no manifest in this folder" in answer.stderr


@pytest.mark.parametrize(
    "arguments", [("team-a", "-A"), ("-A", "-l", "a=b"), ("team-a", "-l", "a=b")]
)
def test_namespaces_are_selected_in_one_way(folder: Path, arguments: tuple[str, ...]) -> None:
    answer = run("--state", folder, *arguments)
    assert answer.exit_code == 2
    assert "name namespaces, use -A, or use -l" in answer.stderr


def test_labels_of_namespaces_need_a_cluster(folder: Path) -> None:
    assert run("--state", folder, "-l", "team=a").exit_code == 2


@pytest.mark.parametrize(("sort", "first"), [("full", "team-b"), ("name", "team-a")])
def test_order_of_usage_rows(folder: Path, sort: str, first: str) -> None:
    fuller = STATE.replace("namespace: team-a", "namespace: x").replace("team-b", "team-a")
    (folder / "state.yaml").write_text(fuller.replace("namespace: x", "namespace: team-b"))
    content = json.loads(run("--state", folder, "-o", "json", "--sort-by", sort).stdout)
    assert content["items"][0]["namespace"] == first


@pytest.mark.usefixtures("files_cannot_be_watched")
def test_a_folder_that_cannot_be_watched_ends_the_watch_with_one_line(folder: Path) -> None:
    answer = run("--state", folder, "--watch")
    assert answer.exit_code == 3
    assert answer.stderr.endswith(f"cannot watch {folder}: error in underlying watcher\n")
