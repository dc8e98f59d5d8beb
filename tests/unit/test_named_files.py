"""Every command names a file or folder that it was given and that has no object."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.main import main

OBJECT = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: team-a}}"


def nothing(_: Path) -> None:
    pass


def file(content: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_text(content)

    return make


def folder(**contents: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        for name, content in contents.items():
            (path / f"{name}.yaml").write_text(content)

    return make


@pytest.mark.parametrize("command", ["convert", "check --examples", "audit --examples --proposed"])
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(nothing, " does not exist", id="missing"),
        pytest.param(file(""), ":1: there is no object in this file", id="empty"),
        pytest.param(file(" \n\n"), ":1: there is no object in this file", id="blank"),
        pytest.param(file("# nothing\n"), ":1: there is no object in this file", id="comment"),
        pytest.param(file("---\n"), ":1: there is no object in this file", id="separator"),
        pytest.param(file("null\n"), ":1: there is no object in this file", id="null"),
        pytest.param(
            file("{apiVersion: v1, kind: List, items: []}"),
            ":1: there is no object in this file",
            id="empty list",
        ),
        pytest.param(folder(), ": there is no manifest in this folder", id="empty folder"),
        pytest.param(
            folder(a=OBJECT, b=""),
            "/b.yaml:1: there is no object in this file",
            id="empty file in a folder",
        ),
    ],
)
def test_file_without_an_object_is_named(
    tmp_path: Path, command: str, make: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / "given.yaml"
    make(path)

    answer = CliRunner().invoke(main, [*command.split(), str(path)])

    assert (answer.exit_code, answer.stdout) == (3, "")
    assert answer.stderr == f"Error: {path}{problem}\n"
