"""The programs that read alert rules, dashboards and routes."""

from pathlib import Path

import pytest

from . import programs


@pytest.fixture(scope="session")
def promtool() -> Path:
    return programs.folder() / "promtool"


@pytest.fixture(scope="session")
def amtool() -> Path:
    return programs.folder() / "amtool"
