"""A failed test prints the end of the logs of its programs."""

import subprocess
import sys
from pathlib import Path

from tests.program_logs import LINES

TESTS = """
import os
import pytest

@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cluster")

@pytest.fixture
def broken(tmp_path):
    (tmp_path / "broken.log").write_text("does not start")
    raise OSError

def test_good(folder, tmp_path):
    log = tmp_path / "old.log"
    log.write_text("silent")
    os.utime(log, (1, 1))

def test_bad(folder, tmp_path):
    (folder / "etcd.log").write_text("".join(f"line {n}.\\n" for n in range(1000)))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "gateway.log").write_bytes(b"\\xff no disk " + b"x" * 10**6)
    (tmp_path / "empty.log").touch()
    (folder / "audit.log").write_text("requests")
    assert False

def test_setup(broken):
    pass
"""


def test_failed_test_shows_the_ends_of_the_logs_that_its_programs_wrote(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(TESTS)
    options = ("-p", "tests.program_logs", "-p", "no:cacheprovider", f"--rootdir={tmp_path}")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={tmp_path}/base", file],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )

    assert "1 failed, 1 passed, 1 error" in done.stdout, done.stdout
    shown = done.stdout.splitlines()
    assert f"line {1000 - LINES}." in shown
    assert f"line {999 - LINES}." not in shown
    assert "does not start" in shown
    assert any("end of inner/gateway.log" in line for line in shown)
    assert "silent" not in shown
    assert "requests" not in shown
    assert not any("end of" in line and "empty.log" in line for line in shown)
    assert len(done.stdout) < 10_000
