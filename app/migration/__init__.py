"""Converts the limits of the legacy gateway."""
