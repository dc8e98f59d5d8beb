"""Runs programs that say on their own what is wrong."""

import subprocess
from pathlib import Path


def run(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
