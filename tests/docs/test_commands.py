"""Every command of the tutorial and the how-tos works as printed, or has known flags."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from app.cli.main import PROGRAM, main
from app.cluster import ledger_format
from tests.docs.blocks import DOCS, PAGES, blocks
from tests.docs.reader import Reader

ROOT = DOCS.parent
_MARKS = re.compile(
    r"run(: exit code \d+|: serves)?|prints|needs a (node|registry)|not run: .+"
    r"|needs a cluster(: exit code \d+|: goes on)?"
)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    no_cluster = str(tmp_path / "no-cluster")
    reader = Reader(tmp_path, "run", {**os.environ, "KUBECONFIG": no_cluster})
    yield reader
    reader.leave()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_as_printed(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_block_has_a_marker(page: Path) -> None:
    for block in blocks(page):
        assert block.title or _MARKS.fullmatch(block.mark), block


def commands() -> list[str]:
    """Every call of the program in the pages, without pipes and redirections."""
    return [
        piece
        for page in [*PAGES, ROOT / "certs" / "README.md"]
        for block in blocks(page)
        if block.language == "sh"
        for line in block.commands
        for piece in re.split(r"\s[|>]\s", line.strip())
        if piece.startswith(PROGRAM)
    ]


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_and_its_flags_exist(command: str) -> None:
    words = shlex.split(command)[1:]
    context = click.Context(main)
    found: click.Command = main
    while isinstance(found, click.Group):
        name = words.pop(0)
        assert name in found.list_commands(context), command
        command_found = found.get_command(click.Context(found), name)
        assert command_found is not None
        found = command_found
        context = click.Context(found, context, info_name=name)

    flags, rest, _ = found.make_parser(context).parse_args(args=words)

    assert rest == [] or any(isinstance(one, click.Argument) for one in found.params), rest
    assert flags.keys() <= {one.name for one in found.params}


def test_example_ledger_is_valid() -> None:
    [example] = [
        block for block in blocks(DOCS / "reference" / "ledger.md") if block.title == "ledger"
    ]
    content = yaml.safe_load(example.content)

    [reservation] = ledger_format.decode({"data": content})

    assert ledger_format.encode(ledger_format.decode({"data": content})) == {
        "reservations": content["reservations"],
        "floor": content["floor"],
        "writes": content["writes"],
    }
    assert reservation.members.tags == {("app", "v1")}


def test_paths_of_the_project_exist() -> None:
    for page in [*PAGES, DOCS / "architecture.md"]:
        for path in re.findall(r"`((?:manifests|tests|benchmarks)/[\w./-]+)`", page.read_text()):
            assert (ROOT / path).exists(), path
