"""A failed test shows the end of every log that its programs wrote: CI keeps nothing else."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

LINES = 60
"""The last lines of each log."""
_WIDTH = 500
_SLACK = 0.1
"""Seconds. The time of a file is that of the last tick of the kernel's clock."""
_AUDIT = "audit.log"
"""The cluster's record of requests, which is not a program's log."""
_BEGUN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the ends of logs to the report of a failed setup, test or teardown."""
    report = yield
    if call.when == "setup":
        item.stash[_BEGUN] = call.start
    if report.failed:
        for log in _logs(item):
            report.sections.append((f"end of {log.parent.name}/{log.name}", _end(log)))
    return report


def _logs(item: pytest.Item) -> Iterator[Path]:
    """The logs in all folders of this run that were written since the setup of the test."""
    factory: pytest.TempPathFactory = item.config._tmp_path_factory  # type: ignore[attr-defined]
    folders = [factory.getbasetemp(), *map(Path, filter(None, [os.environ.get("NODE_DIR")]))]
    since = item.stash[_BEGUN] - _SLACK
    for log in sorted(log for folder in folders for log in folder.rglob("*.log")):
        found = log.stat()
        if log.name != _AUDIT and found.st_size and found.st_mtime >= since:
            yield log


def _end(log: Path) -> str:
    """The last lines, with long ones cut. A large file is not read whole."""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LINES * _WIDTH))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(line[:_WIDTH] for line in lines[-LINES:])
