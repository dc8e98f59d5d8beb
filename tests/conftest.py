"""Settings and fixtures of all tests."""

import pytest
from hypothesis import settings

from tests.broken_watchers import BROKEN
from tests.program_logs import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

# No deadlines: a slow example on a busy machine is no fault.
settings.register_profile("registry-admission", deadline=None)
settings.load_profile("registry-admission")


@pytest.fixture(params=BROKEN)
def files_cannot_be_watched(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchfiles.main.RustNotify", request.param)
