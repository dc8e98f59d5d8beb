"""The parser of the command line accepts every command that messages and help texts print."""

from pathlib import Path

import click
import pytest

import app

from .printed_commands import commands, parse, texts

ROOT = Path(app.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "registry-admission " in path.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_in_texts_are_accepted(file: Path) -> None:
    for text in texts(file.read_text()):
        for command in commands(text):
            parse(command)


def test_commands_are_found() -> None:
    found = {
        command for file in FILES for text in texts(file.read_text()) for command in commands(text)
    }

    assert "certs make --out x --name x" in found
    assert "convert FILE" in found
    assert "uninstall --yes --service-namespace x" in found
    assert "doctor --state dump/" in found


@pytest.mark.parametrize(
    "command", ["install --image x --namespace y", "instal --image x", "convert --replicas 3"]
)
def test_wrong_commands_are_refused(command: str) -> None:
    with pytest.raises(click.UsageError):
        parse(command)
