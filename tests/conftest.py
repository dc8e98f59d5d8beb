"""What all tests have in common."""

from hypothesis import settings

# A property holds or not; how long a busy machine takes to find out proves nothing.
settings.register_profile("registry-admission", deadline=None)
settings.load_profile("registry-admission")
