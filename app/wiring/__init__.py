"""Builds a running process out of the parts."""
