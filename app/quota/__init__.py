"""Counting: what a namespace holds, what is about to be added, and who may add it."""
