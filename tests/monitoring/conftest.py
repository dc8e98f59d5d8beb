"""Prometheus' own tool, which reads rules and tests them."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def promtool() -> Path:
    build = Path(__file__).parent / "tools" / "build"
    built = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True)
    return Path(built.stdout.strip()) / "promtool"
