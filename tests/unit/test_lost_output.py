"""A command whose output cannot be written fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import COMMANDS
from tests import payloads
from tests.legacy_gateway import CONFIG_MAP

SERVING = "--state state --port 0"
LINES = [
    "--help",
    "--version",
    "audit --examples -o json",
    "audit --examples -o html",
    "audit --examples -o policyreport",
    "certs make --out tls",
    "certs client --out client",
    f"check {payloads.FOLDER / 'push-too-large.json'} --examples",
    "completion bash",
    "convert gateway.yaml --namespaces team-a",
    "doctor --dump-commands dump",
    "doctor --state state -o json",
    "doctor --help",
    f"gateway --upstream http://127.0.0.1:1 --database gateway.db {SERVING}",
    "install --image a",
    "serve --show-settings",
    f"serve {SERVING}",
    "uninstall --dry-run",
    "usage --examples",
    "usage --examples -o json",
    "version",
]
TARGETS = {
    "full": (3, "Error: cannot write the output: No space left on device"),
    "closed": (3, "Error: cannot write the output: stdout is closed"),
    "without a reader": (141, ""),
}
"""The kind of stdout, the exit code, and the line on stderr about it."""
CHILDREN = """
import gc, importlib, json, os, pkgutil, sys
import app
from app.cli import main

for module in pkgutil.walk_packages(app.__path__, "app."):  # once for all children
    if module.name != "app.__main__":
        importlib.import_module(module.name)
gc.freeze()  # children do not visit what was imported
ends = []
for line in json.load(sys.stdin):
    for target in ("full", "closed", "without a reader"):
        errors = open("stderr", "w+")
        child = os.fork()
        if child == 0:
            os.dup2(errors.fileno(), 2)
            if target == "full":
                os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
            elif target == "without a reader":
                reader, writer = os.pipe()
                os.close(reader)
                os.dup2(writer, 1)
            else:
                os.close(1)
                os.execv(sys.executable, [sys.executable, "-m", "app", *line.split()])
            sys.argv = ["registry-admission", *line.split()]
            main.start()
            os._exit(99)
        _, status = os.waitpid(child, 0)
        errors.seek(0)
        ends.append((line, target, os.waitstatus_to_exitcode(status), errors.read()))
json.dump(ends, sys.stdout)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/limits.yaml").write_text(
        "kind: ResourceQuota\napiVersion: v1\nmetadata: {name: a, namespace: a}\nspec: {hard: {}}\n"
    )
    (tmp_path / "gateway.yaml").write_text(CONFIG_MAP)
    return tmp_path


def test_every_command_says_that_its_output_is_lost(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN],
        input=json.dumps(LINES), capture_output=True, text=True, check=True, cwd=place,
    )  # fmt: skip
    ends = json.loads(done.stdout)
    wrong = [
        (line, target, code, errors)
        for line, target, code, errors in ends
        if (code, told(errors)) != TARGETS[target]
    ]
    assert len(ends) == len(LINES) * len(TARGETS)
    assert wrong == []


def told(errors: str) -> str:
    """The lines on stderr that are about output, and each line of a traceback."""
    return "\n".join(
        line for line in errors.splitlines() if line.startswith(("Error", "Traceback", "  "))
    )


def test_every_command_has_a_line() -> None:
    commands = {*COMMANDS, "completion", "version"}
    assert {line.split()[0] for line in LINES} - {"--help", "--version"} == commands


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("usage --state state 2> /dev/full", 3),
        ("usage --nothing 2> /dev/full", 2),
        ("usage --nothing 2>&-", 2),
        ("usage --state nowhere 2>&-", 3),
        ("check - --state state <&-", 3),
        ("convert - <&-", 3),
        ("uninstall <&-", 2),
    ],
)
def test_other_streams_that_are_closed_or_full_leave_the_code(
    place: Path, line: str, code: int
) -> None:
    command = f"{sys.executable} -m app {line}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=place)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
