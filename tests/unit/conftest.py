"""Hypothesis for machines that are slow or busy: no deadlines."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("rawecho", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rawecho")
