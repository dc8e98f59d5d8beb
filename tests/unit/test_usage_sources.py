"""The bytes of images and the counts of a gateway in the output of `usage`."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.gateway.contents import NO_LINKS
from app.gateway.database import Database
from app.registry.names import Reference, Repository
from tests.unit.usage_folder import STATE, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state.yaml").write_text(STATE)
    return tmp_path


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


@pytest.mark.parametrize("arguments", [("--bytes",), ("--sort-by", "bytes")])
def test_bytes_are_read_to_show_or_to_sort_by_them(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "state.yaml").write_text(LAYERS)
    [item] = json.loads(run("--state", tmp_path, "-o", "json", *arguments).stdout)["items"]
    assert item["stored"] is not None


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
    """The gateway that writes the database is running. An image pushed by digest has no tag."""
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


def of_another_program(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.executescript("CREATE TABLE images (path TEXT); INSERT INTO images VALUES ('a');")


def of_version(version: int) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        Database(file, "http://registry").close()
        with closing(sqlite3.connect(file)) as database:
            database.execute(f"PRAGMA user_version = {version}")

    return write


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda _: None, "No such file or directory", id="missing"),
        pytest.param(Path.mkdir, "Is a directory", id="folder"),
        pytest.param(
            lambda file: file.write_bytes(b"not a database" * 100),
            "file is not a database",
            id="another file",
        ),
        pytest.param(
            Path.touch, "an empty database; name the file of a gateway that has started", id="empty"
        ),
        pytest.param(
            of_another_program,
            "the SQLite database of another program; name the file of a gateway",
            id="foreign",
        ),
        pytest.param(
            of_version(1),
            "written by an earlier version; start the gateway once with this file",
            id="earlier version",
        ),
        pytest.param(
            of_version(4),
            "written by a later version of this program, with tables of version 4; this one "
            "knows version 3",
            id="later version",
        ),
    ],
)
def test_unusable_database_is_one_line(
    folder: Path, make: Callable[[Path], object], problem: str
) -> None:
    file = folder / "gateway.db"
    make(file)

    answer = run("--state", folder, "--database", file)

    assert answer.exit_code == 3
    assert answer.stderr == f"Error: {file}: {problem}\n"


def test_database_needs_the_folder_of_limits() -> None:
    answer = run("--database", "gateway.db")

    assert answer.exit_code == 2
    assert "--database needs --state" in answer.stderr
