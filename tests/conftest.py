"""Settings of all tests."""

from hypothesis import settings

# No deadlines: a slow example on a busy machine is no fault.
settings.register_profile("registry-admission", deadline=None)
settings.load_profile("registry-admission")
