"""Settings of all tests."""

from hypothesis import settings

# How long an example takes depends on the machine and what else it does.
settings.register_profile("muniment", deadline=None)
settings.load_profile("muniment")
