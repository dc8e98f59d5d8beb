"""A reader who follows a page of the documentation and runs its commands."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.docs.blocks import Block
from tests.ports import free_port

_PORT = "8443"
_TIMEOUT = 180.0
"""Seconds for one block; a busy machine takes long to start a process."""


class Reader:
    """Runs the blocks with one mark, in a folder with all files of the page."""

    def __init__(
        self,
        folder: Path,
        mark: str,
        environment: Mapping[str, str],
        words: Mapping[str, str] | None = None,
    ) -> None:
        """`mark`: `run` or `needs a cluster`. `words`: the values of placeholders."""
        self._folder = folder
        self._mark = mark
        self._words = {_PORT: str(free_port()), **(words or {})}
        self._started: list[subprocess.Popen[str]] = []
        self._printed: str | None = None
        path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        self._environment = {**environment, "PATH": path, "COLUMNS": "400"}

    def follow(self, block: Block) -> None:
        mark, _, rest = block.mark.partition(": ")
        if block.title:
            path = self._folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.content)
        elif block.mark == "prints":
            if self._printed is not None:
                printed = " ".join(self._printed.split())
                for line in block.content.splitlines():
                    assert " ".join(line.split()) in printed, line
        elif mark != self._mark:
            self._printed = None
        elif rest == "serves":
            self._start(block, "listens on")
            self._wait_for_health()
        elif rest == "goes on":
            self._start(block, "")
        else:
            self.run(block.content, int(rest.removeprefix("exit code ") or 0))

    def run(self, commands: str, code: int = 0) -> None:
        """Run commands. The last one must end with a code, the others with 0."""
        script = f"set -e -o pipefail\n{self._local(commands)}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder, env=self._environment, timeout=_TIMEOUT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{script}\n{done.stdout}{done.stderr}"
        self._printed = done.stdout

    def leave(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def _start(self, block: Block, announced: str) -> None:
        """Start a command that runs until the page ends, and wait for its first line."""
        with (self._folder / "started.log").open("ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {self._local(block.content)}"],
                cwd=self._folder, env=self._environment,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip(), block.content
        assert announced in line

    def _wait_for_health(self) -> None:
        probe = f"curl --silent --insecure --retry 120 --retry-connrefused --retry-delay 1 \
            https://localhost:{self._words[_PORT]}/healthz"
        subprocess.run(shlex.split(probe), check=True, timeout=_TIMEOUT, capture_output=True)

    def _local(self, commands: str) -> str:
        for word, meant in self._words.items():
            commands = commands.replace(word, meant)
        return commands
