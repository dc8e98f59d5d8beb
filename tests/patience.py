"""How long tests wait for an event that must come."""

PATIENCE = 120.0
"""Seconds until a test gives up. A busy machine needs less, and no test is about this time."""
