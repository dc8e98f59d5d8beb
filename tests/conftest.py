"""Settings of all tests."""

from hypothesis import settings

from tests.program_logs import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

# No deadlines: a slow example on a busy machine is no fault.
settings.register_profile("registry-admission", deadline=None)
settings.load_profile("registry-admission")
