"""`registry-admission usage`: how full everything is."""

import asyncio
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
from click.testing import CliRunner, Result

from app.cli.main import main
from app.gateway.contents import NO_LINKS
from app.gateway.database import Database
from app.registry.names import Reference, Repository

STATE = """\
apiVersion: v1
kind: ResourceQuota
metadata: {name: small, namespace: team-a}
spec: {hard: {alauda.io/image-tags: "1", alauda.io/imagestreams: "4"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: team-a}
spec: {limits: [{type: alauda.io/ImageStream, max: {alauda.io/images: "5"}}]}
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: app, namespace: team-a}
spec: {tags: [{name: v1}, {name: v2}]}
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: web, namespace: team-b}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state.yaml").write_text(STATE)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["usage", *map(str, arguments)])


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
    """Write a file again and again: nobody says from when on it is watched."""
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.3):
            path.write_text(text)

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
    guard = threading.Timer(30, watching.kill)
    guard.start()
    assert watching.stdout is not None
    reports = iter(watching.stdout.readline, "")

    def tags() -> int:
        """Of team-a, in the next report."""
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


IMAGES = """\
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: big, namespace: team-a}
status: {tags: [{tag: v1, items: [{image: 'sha256:b'}]}, {tag: v2, items: [{image: 'sha256:c'}]}]}
---
apiVersion: image.alauda.io/v1
kind: Image
metadata: {name: 'sha256:b'}
dockerImageMetadata: {Size: 3145728}
---
apiVersion: image.alauda.io/v1
kind: Image
metadata: {name: 'sha256:c'}
dockerImageMetadata: {Size: 1024}
"""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), []),
        (("-n", "team-a"), ["3 MiB   sha256:b", "1 KiB   sha256:c"]),
        (("--top", "1"), ["3 MiB   sha256:b"]),
        (("-n", "team-a", "--top", "0"), []),
    ],
)
def test_usage_lists_largest_images_of_the_namespace(
    folder: Path, arguments: tuple[str, ...], shown: list[str]
) -> None:
    (folder / "images.yaml").write_text(IMAGES)
    output = run("--state", folder, *arguments).output
    assert re.findall(r"\d [MK]iB +sha256:\w", output) == shown


LAYERS = """\
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: app, namespace: team-x}
status: {tags: [{tag: v1, items: [{image: 'sha256:x'}]}, {tag: v2, items: [{image: 'sha256:y'}]}]}
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: web, namespace: team-x}
status: {tags: [{tag: v1, items: [{image: 'sha256:i'}]}, {tag: v2, items: [{image: 'sha256:z'}]}]}
---
apiVersion: image.alauda.io/v1
kind: Image
metadata: {name: 'sha256:x'}
dockerImageLayers: [{name: base, size: 1048576}, {name: one, size: 1024}]
---
apiVersion: image.alauda.io/v1
kind: Image
metadata: {name: 'sha256:y'}
dockerImageLayers: [{name: base, size: 1048576}, {name: two, size: 2048}]
---
apiVersion: image.alauda.io/v1
kind: Image
metadata: {name: 'sha256:i'}
dockerImageManifests:
  - {digest: 'sha256:x', mediaType: application/vnd.oci.image.manifest.v1+json, manifestSize: 1}
"""


def test_layers_that_images_share_are_stored_once(tmp_path: Path) -> None:
    (tmp_path / "state.yaml").write_text(LAYERS)
    answer = run("--state", tmp_path, "--bytes", "team-x", "-o", "json")
    [row] = json.loads(answer.stdout)["items"]
    assert row["stored"] == {"bytes": 1048576 + 1024 + 2048, "unknownImages": 1}
    assert row["storedByStream"] == {
        "app": {"bytes": 1048576 + 1024 + 2048, "unknownImages": 0},
        "web": {"bytes": 1048576 + 1024, "unknownImages": 1},
    }
    table = run("--state", tmp_path, "--bytes").stdout
    assert re.search(r"team-x .* ≥1 MiB$", table, re.MULTILINE)
    assert json.loads(run("--state", tmp_path, "-o", "json").stdout)["items"][0]["stored"] is None


async def test_database_of_a_gateway_replaces_the_counts_of_the_folder(folder: Path) -> None:
    """The gateway that writes it is running. An image that was pushed by digest has no tag."""
    file = folder / "gateway.db"
    database = Database(file, "http://registry")
    for stream, tag, digit in (("app", "v1", "1"), ("app", "", "2"), ("web/app", "v1", "3")):
        repository, digest = Repository("team-r", stream), "sha256:" + digit * 64
        reference = Reference(tag, "" if tag else digest)
        intent = await database.begin(repository, reference, digest, NO_LINKS)
        await database.finish(intent, stored=True)
    command = ("--state", folder, "--database", file)

    answer = await asyncio.to_thread(run, *command, "--sort-by", "name")
    as_json = await asyncio.to_thread(run, *command, "-n", "team-r", "-o", "json")
    database.close()

    assert re.search(r"^team-a +0/4 +0 +0/1 ", answer.stdout, re.MULTILINE), answer.stdout
    assert re.search(r"^team-r +2 +2 +2 ", answer.stdout, re.MULTILINE), answer.stdout
    assert "team-b" not in answer.stdout
    assert "Note: team-r: 1 image without a tag, left by refused or replaced" in answer.stderr
    assert [item["untaggedImages"] for item in json.loads(as_json.stdout)["items"]] == [1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "unable to open database file", id="missing"),
        pytest.param(b"not a database" * 100, "file is not a database", id="another file"),
        pytest.param(b"", "no such table", id="empty"),
    ],
)
def test_unusable_database_is_one_line(folder: Path, content: bytes | None, problem: str) -> None:
    file = folder / "gateway.db"
    if content is not None:
        file.write_bytes(content)

    answer = run("--state", folder, "--database", file)

    assert answer.exit_code == 3
    assert answer.stderr.startswith(f"Error: {file}: {problem}"), answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_database_needs_the_folder_of_limits() -> None:
    answer = run("--database", "gateway.db")

    assert answer.exit_code == 2
    assert "--database needs --state" in answer.stderr
