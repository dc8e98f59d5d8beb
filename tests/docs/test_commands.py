"""Every command of the tutorial and the how-tos works as printed, or is at least a command."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from app.cli.main import PROGRAM, main
from app.cluster import ledger_format
from tests.docs.blocks import DOCS, PAGES, Block, blocks
from tests.registry.programs import free_port

ROOT = DOCS.parent
_PORT = "8443"
_MARKS = re.compile(r"run(: exit code \d+|: serves)?|prints|needs a (cluster|registry)|not run: .+")
_TIMEOUT = 180.0
"""Seconds for one block; a busy machine takes long to start a process."""


class Reader:
    """Somebody who goes through a page in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = str(free_port())
        self._servers: list[subprocess.Popen[str]] = []
        self._printed = ""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {
            **os.environ,
            "PATH": path,
            "COLUMNS": "400",
            "KUBECONFIG": str(folder / "no-cluster"),
        }

    def follow(self, block: Block) -> None:
        if block.title:
            path = self._folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.content)
        elif block.mark == "run: serves":
            self._serve(block)
        elif block.mark.startswith("run"):
            code = int(block.mark.rpartition(" ")[2]) if ":" in block.mark else 0
            self._run(block, code)
        elif block.mark == "prints":
            printed = " ".join(self._printed.split())
            for line in block.content.splitlines():
                assert " ".join(line.split()) in printed, line

    def leave(self) -> None:
        for server in self._servers:
            server.kill()
            server.communicate()

    def _run(self, block: Block, code: int) -> None:
        script = f"set -e -o pipefail\n{self._local(block)}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder, env=self._environment, timeout=_TIMEOUT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        self._printed = done.stdout

    def _serve(self, block: Block) -> None:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {self._local(block)}"],
            cwd=self._folder, env=self._environment,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._servers.append(server)
        assert server.stdout is not None
        assert "listens on" in server.stdout.readline()
        probe = f"curl --silent --insecure --retry 120 --retry-connrefused --retry-delay 1 \
            https://localhost:{self._port}/healthz"
        subprocess.run(shlex.split(probe), check=True, timeout=_TIMEOUT, capture_output=True)

    def _local(self, block: Block) -> str:
        return block.content.replace(_PORT, self._port)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
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
    """Every call of the program in the pages, up to where its output goes."""
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
