"""For all tests: no test fails because a machine is slow."""

from __future__ import annotations

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests inside a ROS workspace do without it
    pass
else:
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
